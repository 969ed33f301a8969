-- What was served, counted once, in the transaction that served it.

grant usage on schema metering to commonwheel_app;

-- One row for each call that was served. Lies on the shard of the vehicle it was about (`slot`), so
-- the call's transaction stays on one shard. No index but the key: this table is written by every
-- call and read by reports.
create table metering.usage (
    slot           int         not null check (slot between 0 and 65535),
    call_id        uuid        not null,
    tenant_id      uuid        not null,
    function_code  text        not null,
    client         text        not null,
    served_at      timestamptz not null,
    quantity       int         not null check (0 < quantity),
    primary key (slot, call_id)
);

-- How often a user called a function on a day in China: what quotas are held against. Many calls
-- update the same few rows, so pages keep room for the new version beside the old one.
create table metering.daily_count (
    tenant_id      uuid not null,
    client         text not null,
    function_code  text not null,
    day            date not null,
    used           int  not null check (0 <= used),
    primary key (tenant_id, client, function_code, day)
) with (fillfactor = 50);

alter table metering.usage enable row level security;
create policy usage_of_tenant on metering.usage
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

alter table metering.daily_count enable row level security;
create policy daily_count_of_tenant on metering.daily_count
    using (tenant_id = any (string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[]));

grant select, insert on metering.usage, metering.daily_count to commonwheel_app;
grant update (used) on metering.daily_count to commonwheel_app;
