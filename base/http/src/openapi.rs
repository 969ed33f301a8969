//! Operations and their OpenAPI: a route is declared once, with its function.

use std::sync::Arc;

use axum::extract::Request;
use axum::middleware::{self, Next};
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::security::{ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi, Ref, RefOr, ResponseBuilder, SecurityRequirement};
use utoipa_axum::router::UtoipaMethodRouter;

use crate::door::{self, Door};
use crate::function::{Function, KeyRule};

/// Declares the routes of one operation: they lie behind the door for `function`, and the
/// document names it.
///
/// `operation(&QUOTE, routes!(quote))`
pub fn operation<S>(
    function: &'static Function,
    routes: UtoipaMethodRouter<S>,
) -> UtoipaMethodRouter<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (schemas, mut paths, methods) = routes;
    for item in paths.paths.values_mut() {
        for operation in operations(item) {
            describe(operation, function);
        }
    }
    let methods = methods.layer(middleware::from_fn(move |request: Request, next: Next| {
        door::enter(function, request, next)
    }));
    (schemas, paths, methods)
}

/// Puts the door before every route of the router it is a layer of.
pub fn before(door: Arc<Door>) -> axum::Extension<Arc<Door>> {
    axum::Extension(door)
}

/// The operations of one path.
pub fn operations(item: &mut PathItem) -> impl Iterator<Item = &mut Operation> {
    [
        item.get.as_mut(),
        item.put.as_mut(),
        item.post.as_mut(),
        item.delete.as_mut(),
        item.patch.as_mut(),
    ]
    .into_iter()
    .flatten()
}

/// Adds what every operation shares: the security scheme and the problem schema it names.
pub fn complete(document: &mut OpenApi, token_url: &str, scopes: &[&'static Function]) {
    let components = document.components.get_or_insert_default();
    let scopes = Scopes::from_iter(
        scopes.iter().map(|function| (function.code.to_owned(), function.title_en.to_owned())),
    );
    let flow = Flow::ClientCredentials(ClientCredentials::new(token_url, scopes));
    components.add_security_scheme("oauth2", SecurityScheme::OAuth2(OAuth2::new([flow])));
    let (name, schema) = (
        <crate::problem::ProblemDocument<'_> as utoipa::ToSchema>::name().into_owned(),
        <crate::problem::ProblemDocument<'_> as utoipa::PartialSchema>::schema(),
    );
    components.schemas.insert(name, schema);
    let mut nested = Vec::new();
    <crate::problem::ProblemDocument<'_> as utoipa::ToSchema>::schemas(&mut nested);
    components.schemas.extend(nested);
}

fn describe(operation: &mut Operation, function: &'static Function) {
    operation.security = Some(vec![SecurityRequirement::new("oauth2", [function.code])]);
    let mut extensions = ExtensionsBuilder::new()
        .add("x-function-code", function.code)
        .add("x-title-zh", function.title_zh);
    if function.key == KeyRule::Required {
        extensions = extensions.add("x-idempotency-key", "required");
    }
    operation.extensions.get_or_insert_default().merge(extensions.build());
    if function.key == KeyRule::Required || operation.request_body.is_some() {
        let parameter = utoipa::openapi::path::ParameterBuilder::new()
            .name("Idempotency-Key")
            .parameter_in(utoipa::openapi::path::ParameterIn::Header)
            .required(if function.key == KeyRule::Required {
                utoipa::openapi::Required::True
            } else {
                utoipa::openapi::Required::False
            })
            .description(Some("1 to 128 visible characters, new for each piece of work."))
            .schema(Some(
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::Type::String)
                    .max_length(Some(128)),
            ));
        operation.parameters.get_or_insert_default().push(parameter.build().into());
    }
    let answers = [
        ("400", "The message cannot be read."),
        ("401", "No token, or one that does not hold."),
        ("403", "No right or no subscription."),
        ("404", "Not there, or not for this caller to know of."),
        ("409", "The state of the thing does not allow it, or the key is in flight."),
        ("413", "The body is too large."),
        ("415", "The body is not declared as JSON."),
        ("422", "Rules are broken; all of them are listed."),
        ("429", "The daily quota is used up."),
        ("503", "Out of reach for a moment; repeat with the same key."),
    ];
    for (status, text) in answers {
        let response = ResponseBuilder::new().description(text).content(
            "application/problem+json",
            ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build(),
        );
        operation
            .responses
            .responses
            .entry(status.to_owned())
            .or_insert_with(|| RefOr::T(response.build()));
    }
}
