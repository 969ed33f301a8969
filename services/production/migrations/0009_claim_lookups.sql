-- Reading claims back: the chain of a vehicle and the accident, of every insurer.

-- An accident is followed from a case to its marks, and from them to the next cases.
create index claim_mark_claim on production.claim_mark (slot, claim_no);

-- Claims of a vehicle, of every insurer, as known at an instant: told from the steps recorded by then,
-- never from the case, which may know more. No person and no amount: whether it pays, not what.
create function production.chain_claims(wanted_slot integer, wanted_frame text, known_at timestamptz)
    returns table (claim_no text, insurer text, class text, accident_at timestamptz, last_turn text,
                   closed_at timestamptz, closing_pays boolean, closing_liability text,
                   closing_counts boolean, corrected_counts boolean, paid boolean)
    language plpgsql stable security definer rows 2
    set search_path = pg_catalog as $$
begin
    return query
        select c.claim_no, c.insurer, c.class, c.accident_at, turn.step, closing.occurred_at,
               closing.pays, closing.liability, closing.counts, corrected.counts,
               coalesce(money.total > 0, false)
        from production.claim c
        -- What last opened or ended it: closing, reopening or cancellation.
        left join lateral (
            select s.step from production.claim_step s
            where s.slot = c.slot and s.claim_no = c.claim_no and s.recorded_at <= known_at
              and s.step in ('52', '5A', '54')
            order by s.sequence desc limit 1) turn on true
        -- The closing that holds, a reopened case's too.
        left join lateral (
            select s.sequence, s.occurred_at, (s.facts #>> '{facts,total}')::numeric > 0 as pays,
                   s.facts #>> '{facts,liability}' as liability,
                   (s.facts #>> '{facts,counts}')::boolean as counts
            from production.claim_step s
            where s.slot = c.slot and s.claim_no = c.claim_no and s.recorded_at <= known_at
              and s.step = '52'
            order by s.sequence desc limit 1) closing on true
        -- What an upheld dispute put right about that closing.
        left join lateral (
            select (s.facts #>> '{facts,counts}')::boolean as counts
            from production.claim_step s
            where s.slot = c.slot and s.claim_no = c.claim_no and s.recorded_at <= known_at
              and s.step = 'P01' and s.sequence > closing.sequence
            order by s.sequence desc limit 1) corrected on true
        cross join lateral (
            select sum((s.facts #>> '{facts,total}')::numeric) as total
            from production.claim_step s
            where s.slot = c.slot and s.claim_no = c.claim_no and s.recorded_at <= known_at
              and s.step = '59') money
        where c.slot = wanted_slot and c.frame_no = wanted_frame and c.recorded_at <= known_at
        order by c.accident_at desc, c.claim_no;
end $$;

-- What tells the accident of these cases, of every insurer: keyed digests of plates, frame numbers and
-- police numbers, which nobody reads anything from.
create function production.accident_marks(slots integer[], claims text[], known_at timestamptz)
    returns table (claim_no text, kind text, mark bytea)
    language plpgsql stable security definer rows 10
    set search_path = pg_catalog as $$
begin
    return query
        select m.claim_no, m.kind, m.mark
        from unnest(slots, claims) as wanted (slot, claim_no)
        join production.claim_mark m on m.slot = wanted.slot and m.claim_no = wanted.claim_no
        where m.kind in ('frame', 'plate', 'police') and m.recorded_at <= known_at;
end $$;

-- Cases of every insurer that carried one of the marks at an instant and were not given up by then.
-- `place` is the position of the mark; the vehicle tells whose records were looked at.
create function production.accident_claims(kinds text[], marks bytea[], froms timestamptz[],
                                           tos timestamptz[], known_at timestamptz, most integer)
    returns table (place bigint, claim_no text, insurer text, class text, frame_no text,
                   accident_at timestamptz, district text)
    language plpgsql stable security definer rows 4
    set search_path = pg_catalog as $$
begin
    return query
        select wanted.place, found.claim_no, found.insurer, found.class, found.frame_no,
               found.accident_at, found.district
        from unnest(kinds, marks, froms, tos) with ordinality
                 as wanted (kind, mark, since, until, place)
        cross join lateral (
            select m.claim_no, m.insurer, m.class, c.frame_no, m.accident_at, m.district
            from production.claim_mark m
            join production.claim c on c.slot = m.slot and c.claim_no = m.claim_no
            where m.kind = wanted.kind and m.mark = wanted.mark and m.recorded_at <= known_at
              and wanted.since <= m.accident_at and m.accident_at <= wanted.until
              and not exists (select from production.claim_step s
                              where s.slot = m.slot and s.claim_no = m.claim_no and s.step = '54'
                                and s.recorded_at <= known_at)
            order by m.accident_at desc, m.claim_no
            limit most) found;
end $$;

revoke execute on function production.chain_claims, production.accident_marks,
    production.accident_claims from public;
grant execute on function production.chain_claims, production.accident_marks,
    production.accident_claims to commonwheel_app;
