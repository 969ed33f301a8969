-- The one way quotes and kept outside answers are written, so that a set of quotes with everything
-- recorded beside it can be one statement: the arrays are columns, side by side, one element a row.

create function production.record_quotes(
    slots integer[], query_nos text[], tenant_ids uuid[], clients text[], insurers text[],
    regions text[], frame_nos text[], quoted_ats timestamptz[], expires_ats timestamptz[],
    compulsory_froms timestamptz[], compulsory_tos timestamptz[], compulsory_premiums_fen bigint[],
    commercial_froms timestamptz[], commercial_tos timestamptz[], commercial_premiums_fen bigint[],
    taxes_fen bigint[], tariff_versions text[], rating_digests bytea[], inputs text[],
    vehicles text[], parties_sealed bytea[], outsides text[], challenges text[])
    returns void
    language plpgsql as $$
begin
    -- Arrays in the select list go row by row; in the from clause each would be put into a table
    -- of its own first.
    insert into production.quote
        (slot, query_no, tenant_id, client, insurer, region, frame_no, quoted_at, expires_at,
         compulsory_from, compulsory_to, compulsory_premium_fen,
         commercial_from, commercial_to, commercial_premium_fen, tax_fen,
         tariff_version, rating_digest, input, vehicle, parties_sealed, outside, challenge)
    select unnest(slots), unnest(query_nos), unnest(tenant_ids), unnest(clients),
           unnest(insurers), unnest(regions), unnest(frame_nos), unnest(quoted_ats),
           unnest(expires_ats), unnest(compulsory_froms), unnest(compulsory_tos),
           unnest(compulsory_premiums_fen), unnest(commercial_froms), unnest(commercial_tos),
           unnest(commercial_premiums_fen), unnest(taxes_fen), unnest(tariff_versions),
           unnest(rating_digests), unnest(inputs)::json, unnest(vehicles)::json,
           unnest(record_quotes.parties_sealed), unnest(outsides)::json, unnest(challenges)::json;
end $$;

-- What is null was not asked for, and stays as it is kept. A vehicle stands there once, in the order
-- of slots and frame numbers, so that two sets cannot wait for each other.
create function production.keep_answers(
    slots integer[], frame_nos text[], police_sealed bytea[], models text[], tax_sealed bytea[],
    answered_at timestamptz)
    returns void
    language plpgsql as $$
begin
    -- Most quotes find every answer kept.
    if cardinality(slots) > 0 then
        insert into production.vehicle as v
            (slot, frame_no, police_sealed, police_at, model, model_at, tax_sealed, tax_at,
             updated_at)
        select fresh.slot, fresh.frame_no,
               fresh.police, case when fresh.police is not null then answered_at end,
               fresh.model::json, case when fresh.model is not null then answered_at end,
               fresh.tax, case when fresh.tax is not null then answered_at end, answered_at
        from unnest(slots, frame_nos, keep_answers.police_sealed, models, keep_answers.tax_sealed)
                 as fresh (slot, frame_no, police, model, tax)
        on conflict (slot, frame_no) do update set
            police_sealed = coalesce(excluded.police_sealed, v.police_sealed),
            police_at = coalesce(excluded.police_at, v.police_at),
            model = coalesce(excluded.model, v.model),
            model_at = coalesce(excluded.model_at, v.model_at),
            tax_sealed = coalesce(excluded.tax_sealed, v.tax_sealed),
            tax_at = coalesce(excluded.tax_at, v.tax_at),
            updated_at = excluded.updated_at;
    end if;
end $$;

revoke execute on function production.record_quotes, production.keep_answers from public;
grant execute on function production.record_quotes, production.keep_answers to commonwheel_app;
