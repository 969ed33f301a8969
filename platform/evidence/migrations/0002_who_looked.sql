-- Who looked at whose records. A call is logged under the tenant that called; here its look is
-- also found by whoever owns what was shown.

-- The vehicle whose whole history, of all insurers, the answer rests on: the first 16 bytes of
-- SHA-256 over its frame number. Set by hot calls, which get neither a row nor an index for it: a
-- vehicle's slot is known, and the key narrows the log to the rows of one slot in order of time.
alter table evidence.message add column vehicle uuid;

-- Records of other insurers a call has shown, one row for each owner, region and vehicle.
-- `slot` is the vehicle's and not the call's, which may have shown several.
create table evidence.access (
    slot           int         not null check (slot between 0 and 65535),
    call_id        uuid        not null,
    ordinal        int2        not null,
    -- Whose records, and of which region.
    owner          text        not null constraint access_owner_form check (owner ~ '^[A-Z]{4}$'),
    region         text        not null constraint access_region_form check (region ~ '^[0-9]{6}$'),
    -- As in evidence.message.
    vehicle        uuid,
    -- Platform numbers of the records.
    subjects       text[]      not null constraint access_shows_something check (cardinality(subjects) > 0),
    -- Who looked. What the message says is repeated: it may lie in another slot.
    tenant_id      uuid        not null,
    client         text        not null,
    function_code  text        not null,
    purpose        text        not null,
    served_at      timestamptz not null,
    trace_id       text        not null,
    primary key (slot, call_id, ordinal)
);
-- Call identifiers are ordered by time: an owner's looks, and everybody's, latest first.
create index access_of_owner on evidence.access (owner, call_id, ordinal);
create index access_by_time on evidence.access (call_id, ordinal);

alter table evidence.access enable row level security;
create policy access_of_looker on evidence.access
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

grant select, insert on evidence.access to commonwheel_app;

-- Both functions below let an owner or a regulator read rows of those who looked. They answer no
-- personal data, and the call that uses them is itself logged. A filter that is null holds for
-- every row. Their plans are made for the filters of each call.

-- Rows of evidence.access, latest first, before the row named by `before_call` and
-- `before_ordinal`.
create function evidence.accesses(
    of_owner text, of_region text, of_slot int, of_vehicle uuid, by_tenant uuid, by_function text,
    since timestamptz, until timestamptz, from_call uuid, before_call uuid, before_ordinal int2,
    most int)
    returns table (call_id uuid, ordinal int2, owner text, subjects text[], tenant_id uuid,
                   client text, function_code text, purpose text, served_at timestamptz,
                   trace_id text)
    language plpgsql stable security definer
    set search_path = pg_catalog
    set plan_cache_mode = force_custom_plan as $$
begin
    return query
        select a.call_id, a.ordinal, a.owner, a.subjects, a.tenant_id, a.client, a.function_code,
               a.purpose, a.served_at, a.trace_id
        from evidence.access a
        where (of_owner is null or a.owner = of_owner)
          and (of_region is null or a.region = of_region)
          and (of_vehicle is null or (a.slot = of_slot and a.vehicle = of_vehicle))
          and (by_tenant is null or a.tenant_id = by_tenant)
          and (by_function is null or a.function_code = by_function)
          and (since is null or since <= a.served_at)
          and (until is null or a.served_at < until)
          and (from_call is null or from_call <= a.call_id)
          and (before_call is null or (a.call_id, a.ordinal) < (before_call, before_ordinal))
        order by a.call_id desc, a.ordinal desc
        limit most;
end $$;

-- Messages whose answer rests on all that is recorded of a vehicle, latest first, before the call
-- `before_call`.
create function evidence.looks(
    of_slot int, of_vehicle uuid, not_by uuid, by_tenant uuid, by_function text,
    since timestamptz, until timestamptz, from_call uuid, before_call uuid, most int)
    returns table (call_id uuid, tenant_id uuid, client text, function_code text, purpose text,
                   subject text, served_at timestamptz, trace_id text)
    language plpgsql stable security definer
    set search_path = pg_catalog
    set plan_cache_mode = force_custom_plan as $$
begin
    return query
        select m.call_id, m.tenant_id, m.client, m.function_code, m.purpose, m.subject,
               m.served_at, m.trace_id
        from evidence.message m
        where m.slot = of_slot and m.vehicle = of_vehicle
          and (not_by is null or m.tenant_id <> not_by)
          and (by_tenant is null or m.tenant_id = by_tenant)
          and (by_function is null or m.function_code = by_function)
          and (since is null or since <= m.served_at)
          and (until is null or m.served_at < until)
          and (from_call is null or from_call <= m.call_id)
          and (before_call is null or m.call_id < before_call)
        order by m.call_id desc
        limit most;
end $$;

revoke execute on function evidence.accesses, evidence.looks from public;
grant execute on function evidence.accesses, evidence.looks to commonwheel_app;
