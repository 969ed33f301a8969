-- The one way answers are kept under their keys, so that it can be part of a set's one statement: the
-- arrays are columns, side by side, one element an answer. `locks` are the advisory locks of the keys.
-- Whoever looked before holds them already; for whoever did not, a key whose first call is under way,
-- or was answered before, is an error, and its transaction comes to nothing.
create function http.keep_keys(
    locks bigint[], tenant_ids uuid[], clients text[], keys text[], function_codes text[],
    request_digests bytea[], statuses smallint[], replies bytea[], created_ats timestamptz[])
    returns void
    language plpgsql as $$
declare
    key_lock bigint;
begin
    foreach key_lock in array locks loop
        if not pg_try_advisory_xact_lock(key_lock) then
            raise exception 'the first call of a key is under way'
                using errcode = 'serialization_failure';
        end if;
    end loop;
    -- Many calls carry no key.
    if cardinality(keys) > 0 then
        insert into http.idempotency
            (tenant_id, client, key, function_code, request_digest, status, reply, created_at)
        select unnest(tenant_ids), unnest(clients), unnest(keys), unnest(function_codes),
               unnest(request_digests), unnest(statuses), unnest(replies), unnest(created_ats);
    end if;
end $$;

revoke execute on function http.keep_keys from public;
grant execute on function http.keep_keys to commonwheel_app;
