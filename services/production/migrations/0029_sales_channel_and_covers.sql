-- What the market's record tells of a policy by sales channel and of policies and claims by cover. Like
-- the functions of 0015 these cross tenants, for the lake, and answer no person, plate, frame or engine
-- number.

-- How policies were sold: the channel as it was agreed with the pre-confirmation, which a registered fee
-- repeats and no change of a fee touches; and the transaction that confirmed them. Null for a policy
-- without a proposal, of which the platform has none.
create function production.policies_sold(wanted_slots integer[], wanted_nos text[])
    returns table (slot integer, confirm_no text, channel text, written_by bigint)
    language plpgsql stable security definer rows 1000
    set search_path = pg_catalog set enable_seqscan = off as $$
begin
    return query
        select p.slot, p.confirm_no, sale.fee ->> 'channel', first.written_by
        from unnest(wanted_slots, wanted_nos) as wanted (slot, confirm_no)
        join production.policy p on p.slot = wanted.slot and p.confirm_no = wanted.confirm_no
        join production.policy_version first
            on first.slot = p.slot and first.confirm_no = p.confirm_no and first.endorse_times = 0
        left join production.proposal sale on sale.slot = p.slot and sale.query_no = p.query_no;
end $$;

-- What each version of policies is rated by: its input and tariff bundle, first to last.
create function production.policy_ratings(wanted_slots integer[], wanted_nos text[])
    returns table (confirm_no text, tariff_versions text[], inputs text[])
    language plpgsql stable security definer rows 1000
    set search_path = pg_catalog set enable_seqscan = off as $$
begin
    return query
        select v.confirm_no, array_agg(v.tariff_version order by v.endorse_times),
               array_agg(v.input::text order by v.endorse_times)
        from unnest(wanted_slots, wanted_nos) as wanted (slot, confirm_no)
        join production.policy_version v on v.slot = wanted.slot and v.confirm_no = wanted.confirm_no
        group by v.slot, v.confirm_no;
end $$;

-- The covers claims are under, as agreed when the accident happened.
create function production.claim_covers(wanted_slots integer[], wanted_nos text[])
    returns table (claim_no text, covers text)
    language plpgsql stable security definer rows 1000
    set search_path = pg_catalog set enable_seqscan = off as $$
begin
    return query
        select c.claim_no, coalesce(c.terms ->> 'covers', '[]')
        from unnest(wanted_slots, wanted_nos) as wanted (slot, claim_no)
        join production.claim c on c.slot = wanted.slot and c.claim_no = wanted.claim_no;
end $$;

revoke execute on function production.policies_sold, production.policy_ratings, production.claim_covers
    from public;
grant execute on function production.policies_sold, production.policy_ratings, production.claim_covers
    to commonwheel_app;
