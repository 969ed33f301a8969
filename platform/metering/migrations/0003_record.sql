-- The one way usage is written and counted, so that a call's record of everything it did can be one
-- statement: the arrays are columns, side by side, one element a call, and those of the counters one
-- element a counter, without repetition. Answers how often each counter was used with these calls,
-- in their order. The counters are held from here to the commit.
create function metering.record(
    slots int[], call_ids uuid[], tenant_ids uuid[], function_codes text[], clients text[],
    served_ats timestamptz[], quantities int[],
    counted_tenant_ids uuid[], counted_clients text[], counted_function_codes text[],
    counted_days date[], added int[])
    returns int[]
    language plpgsql as $$
declare
    now_used int[];
begin
    insert into metering.usage
        (slot, call_id, tenant_id, function_code, client, served_at, quantity)
    select unnest(slots), unnest(call_ids), unnest(tenant_ids), unnest(function_codes),
           unnest(clients), unnest(served_ats), unnest(quantities);
    -- Many calls have no quota.
    if cardinality(added) > 0 then
        with counted as (
            insert into metering.daily_count (tenant_id, client, function_code, day, used)
            select unnest(counted_tenant_ids), unnest(counted_clients),
                   unnest(counted_function_codes), unnest(counted_days), unnest(added)
            on conflict (tenant_id, client, function_code, day)
                do update set used = daily_count.used + excluded.used
            returning used
        )
        select array_agg(used) into now_used from counted;
    end if;
    return coalesce(now_used, '{}');
end $$;

revoke execute on function metering.record from public;
grant execute on function metering.record to commonwheel_app;
