-- Who takes part in the market, the keys their personal data is sealed with, and the figures that
-- differ by participant or region.

grant usage on schema tenancy to commonwheel_app;

-- The register is known to every participant (an insurer's name stands in answers to others), so
-- reading is open; a row is written only by a transaction opened for that tenant.
create table tenancy.tenant (
    tenant_id     uuid        not null primary key,
    kind          text        not null check (kind in ('insurer', 'regulator', 'agency', 'partner', 'operator')),
    -- Four letters, part of every platform number this insurer is given.
    insurer_code  text        constraint tenant_insurer_code_form check (insurer_code ~ '^[A-Z]{4}$'),
    name_zh       text        not null check (length(name_zh) between 1 and 100),
    name_en       text        not null check (length(name_en) between 1 and 200),
    status        text        not null default 'active' check (status in ('active', 'suspended', 'closed')),
    created_at    timestamptz not null,
    constraint tenant_insurer_code_is_unique unique (insurer_code),
    constraint tenant_insurer_has_a_code check ((kind = 'insurer') = (insurer_code is not null))
);

create table tenancy.branch (
    tenant_id   uuid        not null references tenancy.tenant,
    -- GB/T 2260 division, six digits; 000000 for the whole country.
    region      text        not null constraint branch_region_form check (region ~ '^[0-9]{6}$'),
    name        text        not null check (length(name) between 1 and 200),
    status      text        not null default 'active' check (status in ('active', 'closed')),
    created_at  timestamptz not null,
    primary key (tenant_id, region)
);

-- Data keys seal, index keys make findable; both only ever stored wrapped by the master key. Keys
-- are added, never changed: what an old key sealed must open for as long as it is kept. A tenant
-- has one index key, because an index made with another key would find nothing.
create table tenancy.tenant_key (
    tenant_id   uuid        not null references tenancy.tenant,
    use         text        not null check (use in ('data', 'index')),
    key_number  int         not null check (0 < key_number),
    wrapped     bytea       not null check (length(wrapped) between 1 and 512),
    created_at  timestamptz not null,
    primary key (tenant_id, use, key_number),
    constraint tenant_key_one_index_key check (use = 'data' or key_number = 1)
);

-- The index key of what all insurers share (plates, for example); belongs to nobody.
create table tenancy.market_key (
    use         text        not null primary key check (use = 'index'),
    wrapped     bytea       not null check (length(wrapped) between 1 and 512),
    created_at  timestamptz not null
);

-- A figure and the period it holds. The most specific row wins: tenant and region, tenant, region,
-- everyone. A change closes the row in force and adds another, so the past can be asked about.
create table tenancy.parameter (
    parameter_id  uuid        not null primary key,
    tenant_id     uuid        references tenancy.tenant,
    region        text        constraint parameter_region_form check (region ~ '^[0-9]{6}$'),
    name          text        not null check (name ~ '^[a-z][a-z0-9_]{0,59}$'),
    value         text        not null check (length(value) <= 200),
    valid_from    timestamptz not null,
    valid_to      timestamptz,
    constraint parameter_period_is_forward check (valid_from < valid_to),
    -- Nulls never equal each other, so they are given values no row has.
    constraint parameter_holds_one_value_at_a_time exclude using gist (
        coalesce(tenant_id, '00000000-0000-0000-0000-000000000000') with =,
        coalesce(region, '') with =,
        name with =,
        tstzrange(valid_from, valid_to) with &&
    )
);

-- Seen as a client-side limit in one region; here the default for everyone until changed.
insert into tenancy.parameter (parameter_id, name, value, valid_from)
values ('0196b000-0000-7000-8000-000000000001', 'daily_quote_quota', '500', '2020-01-01T00:00:00+08:00');

alter table tenancy.tenant enable row level security;
create policy tenant_is_public on tenancy.tenant for select using (true);
create policy tenant_writes_itself on tenancy.tenant for all
    using (tenant_id = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[]));

alter table tenancy.branch enable row level security;
create policy branch_of_tenant on tenancy.branch
    using (tenant_id = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[]));

alter table tenancy.tenant_key enable row level security;
create policy tenant_key_of_tenant on tenancy.tenant_key
    using (tenant_id = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[]));

alter table tenancy.parameter enable row level security;
create policy parameter_of_tenant_or_everyone on tenancy.parameter
    using (
        tenant_id is null
        or tenant_id = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])
    );

grant select, insert on tenancy.tenant, tenancy.branch, tenancy.tenant_key, tenancy.market_key,
    tenancy.parameter to commonwheel_app;
grant update (name_zh, name_en, status) on tenancy.tenant to commonwheel_app;
grant update (name, status) on tenancy.branch to commonwheel_app;
grant update (valid_to) on tenancy.parameter to commonwheel_app;
-- Only to wrap anew under a new master key.
grant update (wrapped) on tenancy.tenant_key, tenancy.market_key to commonwheel_app;

-- The platform keeps all parameters in memory; row security would show it one tenant's at a time.
create function tenancy.all_parameters()
returns setof tenancy.parameter
language sql stable security definer
set search_path = pg_catalog, pg_temp
as $$ select * from tenancy.parameter $$;
revoke all on function tenancy.all_parameters() from public;
grant execute on function tenancy.all_parameters() to commonwheel_app;
