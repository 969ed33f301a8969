-- The one way messages come into the log, so that a call's record of everything it did can be one
-- statement: the arrays are columns, side by side, one element a message.
create function evidence.log(
    slots int[], call_ids uuid[], tenant_ids uuid[], clients text[], function_codes text[],
    purposes text[], subjects text[], vehicles uuid[], request_digests bytea[],
    reply_digests bytea[], statuses int2[], served_ats timestamptz[], trace_ids text[])
    returns void
    language plpgsql as $$
begin
    -- Arrays in the select list go row by row; in the from clause each would be put into a table
    -- of its own first.
    insert into evidence.message
        (slot, call_id, tenant_id, client, function_code, purpose, subject, vehicle,
         request_digest, reply_digest, status, served_at, trace_id)
    select unnest(slots), unnest(call_ids), unnest(tenant_ids), unnest(clients),
           unnest(function_codes), unnest(purposes), unnest(subjects), unnest(vehicles),
           unnest(request_digests), unnest(reply_digests), unnest(statuses), unnest(served_ats),
           unnest(trace_ids);
end $$;

revoke execute on function evidence.log from public;
grant execute on function evidence.log to commonwheel_app;
