-- What was written since somebody last looked, for the market's record in the lake.

-- Times and numbers are taken before commit, so a reader that went by them would step over a row that
-- commits late. As with the outbox a reader goes by transaction and stops before the oldest that may still
-- be open. Kept as a number, because block ranges know no xid8. Rows that are there already were committed
-- before this migration could lock their table: they are of transaction 0, and read first.
alter table production.policy_version add column written_by bigint not null default 0;
alter table production.policy_version
    alter column written_by set default (pg_current_xact_id()::text::bigint);
alter table production.claim_step add column written_by bigint not null default 0;
alter table production.claim_step
    alter column written_by set default (pg_current_xact_id()::text::bigint);

-- Rows lie nearly in the order of their transactions, and are written far more often than they are read
-- this way: block ranges, as for exports.
create index policy_version_written on production.policy_version using brin (written_by);
create index claim_step_written on production.claim_step using brin (written_by);

-- The market's record is of every insurer, so these cross tenants: they answer what a policy insures and
-- costs and what a claim came to, and no person, plate, frame or engine number.
--
-- Two ways through the same rows. While a reader catches up (`in_order`), it walks the key of the table up
-- to a transaction that was settled when it began; afterwards it goes by transaction. Plans are made for
-- the values: for any values a plan would walk the whole table.

-- Versions of policies behind a place, each with all versions of its policy up to it.
create function production.policy_versions_written(
    in_order boolean, behind bigint, behind_slot integer, behind_no text, behind_times integer,
    before bigint, most integer)
    returns table (written_by bigint, slot integer, confirm_no text, endorse_times integer, tenant_id uuid,
                   insurer text, region text, class text, short_term boolean, issued_at timestamptz,
                   recorded_at timestamptz, tariff_version text, effective_ats timestamptz[],
                   facts text[], vehicles text[], premiums_fen bigint[], taxes_fen bigint[])
    language plpgsql stable security definer rows 1000
    set search_path = pg_catalog set plan_cache_mode = force_custom_plan as $$
begin
    if in_order then
        return query
            select v.written_by, v.slot, v.confirm_no, v.endorse_times, v.tenant_id, p.insurer, p.region,
                   p.class, p.short_term, p.issued_at, v.recorded_at, v.tariff_version, told.effective_ats,
                   told.facts, told.vehicles, told.premiums_fen, told.taxes_fen
            from (select * from production.policy_version w
                  where (w.slot, w.confirm_no, w.endorse_times) > (behind_slot, behind_no, behind_times)
                    and w.written_by < before
                  order by w.slot, w.confirm_no, w.endorse_times limit most) v
            join production.policy p on p.slot = v.slot and p.confirm_no = v.confirm_no
            cross join lateral (
                select array_agg(t.effective_at order by t.endorse_times) as effective_ats,
                       array_agg(t.facts::text order by t.endorse_times) as facts,
                       array_agg((t.input -> 'vehicle')::text order by t.endorse_times) as vehicles,
                       array_agg(t.premium_fen order by t.endorse_times) as premiums_fen,
                       array_agg(t.tax_fen order by t.endorse_times) as taxes_fen
                from production.policy_version t
                where t.slot = v.slot and t.confirm_no = v.confirm_no
                  and t.endorse_times <= v.endorse_times) told
            order by v.slot, v.confirm_no, v.endorse_times;
    else
        return query
            select v.written_by, v.slot, v.confirm_no, v.endorse_times, v.tenant_id, p.insurer, p.region,
                   p.class, p.short_term, p.issued_at, v.recorded_at, v.tariff_version, told.effective_ats,
                   told.facts, told.vehicles, told.premiums_fen, told.taxes_fen
            from (select * from production.policy_version w
                  where w.written_by >= behind and w.written_by < before
                    and (w.written_by, w.slot, w.confirm_no, w.endorse_times)
                        > (behind, behind_slot, behind_no, behind_times)
                  order by w.written_by, w.slot, w.confirm_no, w.endorse_times limit most) v
            join production.policy p on p.slot = v.slot and p.confirm_no = v.confirm_no
            cross join lateral (
                select array_agg(t.effective_at order by t.endorse_times) as effective_ats,
                       array_agg(t.facts::text order by t.endorse_times) as facts,
                       array_agg((t.input -> 'vehicle')::text order by t.endorse_times) as vehicles,
                       array_agg(t.premium_fen order by t.endorse_times) as premiums_fen,
                       array_agg(t.tax_fen order by t.endorse_times) as taxes_fen
                from production.policy_version t
                where t.slot = v.slot and t.confirm_no = v.confirm_no
                  and t.endorse_times <= v.endorse_times) told
            order by v.written_by, v.slot, v.confirm_no, v.endorse_times;
    end if;
end $$;

-- Steps of claims behind a place, each with all steps of its case up to it and with the vehicle as it was
-- insured at the accident, as far as was written by then.
create function production.claim_steps_written(
    in_order boolean, behind bigint, behind_slot integer, behind_no text, behind_sequence integer,
    before bigint, most integer)
    returns table (written_by bigint, slot integer, claim_no text, sequence integer, tenant_id uuid,
                   insurer text, region text, class text, confirm_no text, step text, standing text,
                   occurred_at timestamptz, recorded_at timestamptz, told text[], vehicle text)
    language plpgsql stable security definer rows 1000
    set search_path = pg_catalog set plan_cache_mode = force_custom_plan as $$
begin
    if in_order then
        return query
            select s.written_by, s.slot, s.claim_no, s.sequence, s.tenant_id, c.insurer, c.region, c.class,
                   c.confirm_no, s.step, s.standing, s.occurred_at, s.recorded_at, known.told,
                   insured.vehicle
            from (select * from production.claim_step w
                  where (w.slot, w.claim_no, w.sequence) > (behind_slot, behind_no, behind_sequence)
                    and w.written_by < before
                  order by w.slot, w.claim_no, w.sequence limit most) s
            join production.claim c on c.slot = s.slot and c.claim_no = s.claim_no
            cross join lateral (
                select array_agg(t.facts::text order by t.sequence) as told
                from production.claim_step t
                where t.slot = s.slot and t.claim_no = s.claim_no and t.sequence <= s.sequence) known
            cross join lateral (
                select (v.input -> 'vehicle')::text as vehicle
                from production.policy_version v
                where v.slot = c.slot and v.confirm_no = c.confirm_no
                  and (v.written_by <= s.written_by or v.endorse_times = 0)
                order by v.effective_at <= c.accident_at desc,
                         case when v.effective_at <= c.accident_at then -v.endorse_times
                              else v.endorse_times end
                limit 1) insured
            order by s.slot, s.claim_no, s.sequence;
    else
        return query
            select s.written_by, s.slot, s.claim_no, s.sequence, s.tenant_id, c.insurer, c.region, c.class,
                   c.confirm_no, s.step, s.standing, s.occurred_at, s.recorded_at, known.told,
                   insured.vehicle
            from (select * from production.claim_step w
                  where w.written_by >= behind and w.written_by < before
                    and (w.written_by, w.slot, w.claim_no, w.sequence)
                        > (behind, behind_slot, behind_no, behind_sequence)
                  order by w.written_by, w.slot, w.claim_no, w.sequence limit most) s
            join production.claim c on c.slot = s.slot and c.claim_no = s.claim_no
            cross join lateral (
                select array_agg(t.facts::text order by t.sequence) as told
                from production.claim_step t
                where t.slot = s.slot and t.claim_no = s.claim_no and t.sequence <= s.sequence) known
            cross join lateral (
                select (v.input -> 'vehicle')::text as vehicle
                from production.policy_version v
                where v.slot = c.slot and v.confirm_no = c.confirm_no
                  and (v.written_by <= s.written_by or v.endorse_times = 0)
                order by v.effective_at <= c.accident_at desc,
                         case when v.effective_at <= c.accident_at then -v.endorse_times
                              else v.endorse_times end
                limit 1) insured
            order by s.written_by, s.slot, s.claim_no, s.sequence;
    end if;
end $$;

revoke execute on function production.policy_versions_written, production.claim_steps_written from public;
grant execute on function production.policy_versions_written, production.claim_steps_written
    to commonwheel_app;
