-- What the platform offers, in three levels, and who has subscribed to what.

grant usage on schema catalogue to commonwheel_app;

-- Written from the code's own constants at start: the code is the truth, this is its register for
-- people, bills and consoles. A function the code no longer has keeps its row, dated.
create table catalogue.cloud (
    cloud_code  text not null primary key check (cloud_code ~ '^[a-z][a-z0-9_]*$'),
    name_zh     text not null,
    name_en     text not null
);

create table catalogue.product (
    product_code  text not null primary key check (product_code ~ '^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$'),
    cloud_code    text not null references catalogue.cloud,
    name_zh       text not null,
    name_en       text not null,
    constraint product_stands_under_its_cloud check (split_part(product_code, '.', 1) = cloud_code)
);

create table catalogue.function (
    function_code  text        not null primary key
        check (function_code ~ '^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$'),
    product_code   text        not null references catalogue.product,
    name_zh        text        not null,
    name_en        text        not null,
    since_at       timestamptz not null,
    withdrawn_at   timestamptz,
    constraint function_stands_under_its_product check (
        split_part(function_code, '.', 1) || '.' || split_part(function_code, '.', 2) = product_code
    )
);

create table catalogue.plan (
    plan_code             text        not null primary key check (plan_code ~ '^[a-z][a-z0-9_]{0,59}$'),
    name_zh               text        not null,
    name_en               text        not null,
    -- Null: the plan sets no quota of its own.
    daily_quota_per_user  int         check (0 <= daily_quota_per_user),
    created_at            timestamptz not null
);

-- The plan every member of the market has; prices come with billing.
insert into catalogue.plan (plan_code, name_zh, name_en, created_at)
values ('member', '会员基础套餐', 'Member', '2020-01-01T00:00:00+08:00');

create table catalogue.subscription (
    tenant_id             uuid        not null,
    subscription_id       uuid        not null,
    -- A function code, a prefix ending in `.*`, or `*`.
    function_pattern      text        not null
        check (function_pattern ~ '^(\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*\.(\*|[a-z][a-z0-9_]*)))$'),
    plan_code             text        not null references catalogue.plan,
    valid_from            timestamptz not null,
    valid_to              timestamptz,
    -- Null: the plan's.
    daily_quota_per_user  int         check (0 <= daily_quota_per_user),
    created_at            timestamptz not null,
    primary key (tenant_id, subscription_id),
    -- An ended subscription may end where it began: withdrawn before use.
    constraint subscription_period_is_forward check (valid_from <= valid_to),
    constraint subscription_is_single exclude using gist (
        tenant_id with =, function_pattern with =, tstzrange(valid_from, valid_to) with &&
    )
);

alter table catalogue.subscription enable row level security;
create policy subscription_of_tenant on catalogue.subscription
    using (tenant_id = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[]));

grant select, insert on catalogue.cloud, catalogue.product, catalogue.function, catalogue.plan,
    catalogue.subscription to commonwheel_app;
grant update (name_zh, name_en) on catalogue.cloud, catalogue.product to commonwheel_app;
grant update (name_zh, name_en, withdrawn_at) on catalogue.function to commonwheel_app;
grant update (name_zh, name_en, daily_quota_per_user) on catalogue.plan to commonwheel_app;
grant update (valid_to) on catalogue.subscription to commonwheel_app;

-- The gate keeps every subscription in memory; row security would show it one tenant's at a time.
create function catalogue.all_subscriptions()
returns table (
    tenant_id uuid, function_pattern text, plan_code text, valid_from timestamptz,
    valid_to timestamptz, daily_quota_per_user int
)
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$
    select subscription.tenant_id, subscription.function_pattern, subscription.plan_code,
           subscription.valid_from, subscription.valid_to,
           coalesce(subscription.daily_quota_per_user, plan.daily_quota_per_user)
    from catalogue.subscription
    join catalogue.plan using (plan_code)
$$;
revoke all on function catalogue.all_subscriptions() from public;
grant execute on function catalogue.all_subscriptions() to commonwheel_app;
