-- Answers a client may ask for again with the same key. The key row commits with the work it
-- answers for, so a key without its effect, or an effect without its key, cannot exist.
create table http.idempotency (
    tenant_id      uuid        not null,
    client         text        not null,
    key            text        not null,
    function_code  text        not null,
    request_digest bytea       not null check (octet_length(request_digest) = 32),
    status         smallint    not null check (status between 200 and 299),
    reply          bytea       not null,
    created_at     timestamptz not null,
    primary key (tenant_id, client, key)
);

-- For forgetting old answers in the order they were given.
create index idempotency_created_at on http.idempotency using brin (created_at);

alter table http.idempotency enable row level security;
create policy own_tenant on http.idempotency
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

-- Housekeeping crosses tenants and may do nothing but forget.
create function http.forget_idempotency(before timestamptz, most integer) returns bigint
    language sql security definer set search_path = pg_catalog
    as $$
        with old as (
            select ctid from http.idempotency where created_at < before limit most
        ), gone as (
            delete from http.idempotency where ctid in (select ctid from old) returning 1
        )
        select count(*) from gone
    $$;

grant usage on schema http to commonwheel_app;
grant select, insert on http.idempotency to commonwheel_app;
revoke execute on function http.forget_idempotency from public;
grant execute on function http.forget_idempotency to commonwheel_app;
