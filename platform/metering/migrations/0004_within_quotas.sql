-- The same as `record` for calls whose quotas nobody locked before: with more calls counted than a
-- quota has room for, nothing is written, and the caller has to judge them under the lock.
create function metering.record_within(
    slots int[], call_ids uuid[], tenant_ids uuid[], function_codes text[], clients text[],
    served_ats timestamptz[], quantities int[],
    counted_tenant_ids uuid[], counted_clients text[], counted_function_codes text[],
    counted_days date[], added int[], quotas int[])
    returns int[]
    language plpgsql as $$
declare
    now_used constant int[] := metering.record(
        slots, call_ids, tenant_ids, function_codes, clients, served_ats, quantities,
        counted_tenant_ids, counted_clients, counted_function_codes, counted_days, added);
begin
    for at in 1 .. cardinality(now_used) loop
        if quotas[at] < now_used[at] then
            raise exception 'a daily quota was overrun by calls admitted elsewhere'
                using errcode = 'serialization_failure';
        end if;
    end loop;
    return now_used;
end $$;

revoke execute on function metering.record_within from public;
grant execute on function metering.record_within to commonwheel_app;
