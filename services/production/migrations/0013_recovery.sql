-- 代位求偿: who covered a vehicle when it happened, for the recovery of another insurer.

-- A vehicle may be told by its engine alone.
create index policy_engine on production.policy (engine_no);

-- Policies of every insurer that covered a vehicle at an instant, told by its frame numbers or its
-- engine, each with the version that was true then. No person: parties are not in it. Suspensions are
-- for the reader to see in `facts`.
create function production.liable_policies(slots integer[], frames text[], engine text, wanted_at timestamptz)
    returns table (confirm_no text, tenant_id uuid, region text, policy_no text, frame_no text,
                   engine_no text, facts text, version_facts text, vehicle text, input text)
    language plpgsql stable security definer rows 4
    set search_path = pg_catalog as $$
begin
    return query
        select p.confirm_no, p.tenant_id, p.region, p.policy_no, p.frame_no, p.engine_no,
               p.facts::text, version.facts::text, version.vehicle::text, version.input::text
        from (select q.slot, q.confirm_no
              from unnest(slots, frames) as wanted (slot, frame_no)
              join production.policy q on q.slot = wanted.slot and q.frame_no = wanted.frame_no
              union
              select q.slot, q.confirm_no from production.policy q where q.engine_no = engine) found
        join production.policy p on p.slot = found.slot and p.confirm_no = found.confirm_no
        cross join lateral (
            select v.facts, v.vehicle, v.input
            from production.policy_version v
            where v.slot = p.slot and v.confirm_no = p.confirm_no
            -- The last that was true by then; where none was, the first.
            order by v.effective_at <= wanted_at desc,
                     case when v.effective_at <= wanted_at then -v.endorse_times
                          else v.endorse_times end
            limit 1) version
        where p.cover @> wanted_at
        order by p.confirm_no;
end $$;
revoke execute on function production.liable_policies from public;
grant execute on function production.liable_policies to commonwheel_app;
