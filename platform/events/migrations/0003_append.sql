-- The one way events come into the outbox, so that a call's record of everything it did can be one
-- statement: the arrays are columns, side by side, one element an event. `datas` are JSON: an array
-- of json would be sent as text anyway.
create function events.append(
    slots int[], event_ids uuid[], tenant_ids uuid[], types text[], subjects text[],
    occurred_ats timestamptz[], trace_ids text[], datas text[])
    returns void
    language plpgsql as $$
begin
    -- Most calls tell nothing, and starting a statement costs as much as writing five rows.
    if cardinality(slots) > 0 then
        insert into events.outbox
            (slot, event_id, tenant_id, type, subject, occurred_at, trace_id, data)
        select unnest(slots), unnest(event_ids), unnest(tenant_ids), unnest(types),
               unnest(subjects), unnest(occurred_ats), unnest(trace_ids), unnest(datas)::json;
    end if;
end $$;

revoke execute on function events.append from public;
grant execute on function events.append to commonwheel_app;
