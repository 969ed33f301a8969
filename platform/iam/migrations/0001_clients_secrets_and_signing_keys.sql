-- Who may call in the name of a tenant, and the keys access tokens are signed with.

grant usage on schema iam to commonwheel_app;

-- One user of an insurer's core system at one branch. What a client may do is the least of its
-- rights, its tenant's subscriptions and the scope of the token it asked for.
create table iam.client (
    tenant_id    uuid        not null,
    client_id    text        not null constraint client_id_form check (client_id ~ '^[A-Za-z0-9._-]{3,80}$'),
    region       text        not null constraint client_region_form check (region ~ '^[0-9]{6}$'),
    user_label   text        not null check (length(user_label) between 1 and 80),
    -- Function codes, or prefixes ending in `.*`, or `*`.
    rights       text[]      not null check (cardinality(rights) between 1 and 200),
    -- Networks calls may come from (rule F03); empty means anywhere.
    sources      text[]      not null default '{}' check (cardinality(sources) <= 100),
    status       text        not null default 'active' check (status in ('active', 'disabled')),
    disabled_at  timestamptz,
    created_at   timestamptz not null,
    primary key (tenant_id, client_id),
    -- A client names itself before its tenant is known.
    constraint client_id_is_unique unique (client_id),
    constraint client_disabled_is_dated check ((status = 'disabled') = (disabled_at is not null))
);

-- Secrets are 256 random bits, so a keyed digest is enough: there is nothing to guess that a slow
-- hash would protect, and the token endpoint stays fast. The pepper lives outside the database;
-- `pepper` tells which master key it was derived from.
create table iam.client_secret (
    tenant_id   uuid        not null,
    client_id   text        not null,
    secret_id   uuid        not null,
    digest      bytea       not null check (length(digest) = 32),
    pepper      bigint      not null check (pepper between 0 and 4294967295),
    created_at  timestamptz not null,
    -- Set when a newer secret replaces this one: both work until then.
    expires_at  timestamptz,
    primary key (tenant_id, client_id, secret_id),
    foreign key (tenant_id, client_id) references iam.client
);

-- Signing keys of access tokens; they belong to nobody. The private half is sealed by the master
-- key. A key is published some seconds before it signs, so every server knows it when its first
-- token arrives. A retired key stays until the last token it signed has expired, and then as record.
create table iam.signing_key (
    kid           text        not null primary key,
    algorithm     text        not null check (algorithm = 'EdDSA'),
    public_key    bytea       not null check (length(public_key) = 32),
    private_key   bytea       not null,
    created_at    timestamptz not null,
    -- From when it signs.
    activated_at  timestamptz not null,
    -- From when its successor signs.
    retired_at    timestamptz
);

-- One key is the newest, however many servers start or rotate at once.
create unique index signing_key_one_is_newest on iam.signing_key ((true)) where retired_at is null;

alter table iam.client enable row level security;
create policy client_of_tenant on iam.client
    using (tenant_id = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[]));

alter table iam.client_secret enable row level security;
create policy client_secret_of_tenant on iam.client_secret
    using (tenant_id = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[]));

grant select, insert on iam.client, iam.client_secret, iam.signing_key to commonwheel_app;
grant update (region, user_label, rights, sources, status, disabled_at) on iam.client to commonwheel_app;
grant update (expires_at) on iam.client_secret to commonwheel_app;
grant update (retired_at, private_key) on iam.signing_key to commonwheel_app;

-- Asked before the tenant is known: gives one client by its exact name, and the secrets that are
-- good at `now_at`.
create function iam.client_by_name(name text, now_at timestamptz)
returns table (
    tenant_id uuid, client_id text, region text, user_label text, rights text[], sources text[],
    status text, digests bytea[], peppers bigint[]
)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select client.tenant_id, client.client_id, client.region, client.user_label, client.rights,
           client.sources, client.status, secret.digests, secret.peppers
    from iam.client
    cross join lateral (
        select coalesce(array_agg(client_secret.digest order by created_at desc, secret_id), '{}'),
               coalesce(array_agg(client_secret.pepper order by created_at desc, secret_id), '{}')
        from iam.client_secret
        where client_secret.tenant_id = client.tenant_id
          and client_secret.client_id = client.client_id
          and (client_secret.expires_at is null or now_at < client_secret.expires_at)
    ) as secret (digests, peppers)
    where client.client_id = name
$$;

-- What every server keeps in memory to judge tokens already out: clients disabled since `since`
-- (an older token has expired anyway) and clients bound to networks.
create function iam.watched_clients(since timestamptz)
returns table (client_id text, tenant_id uuid, disabled boolean, sources text[])
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select client.client_id, client.tenant_id, client.status = 'disabled', client.sources
    from iam.client
    where (client.status = 'disabled' and since <= client.disabled_at)
       or (client.status = 'active' and client.sources <> '{}')
$$;
create index client_watched on iam.client (disabled_at)
    where status = 'disabled' or sources <> '{}';

revoke all on function iam.client_by_name(text, timestamptz), iam.watched_clients(timestamptz) from public;
grant execute on function iam.client_by_name(text, timestamptz), iam.watched_clients(timestamptz) to commonwheel_app;
