-- A vehicle's loss is settled once: by its own insurer that recovers, by the liable policy directly, or by
-- each side itself (互碰自赔). What a vehicle is known by is a mark: a digest of its frame number, or of its
-- plate. A payment that names no vehicle has the mark of its policy, and so has every recovery from it.

alter table clearing.accident_route
    -- The policy that answers for the vehicle's loss; none of 互碰自赔, nor of a recovery's liable vehicle.
    add column payer text check (length(payer) = 30),
    drop constraint accident_route_route_check,
    add constraint accident_route_route_check check (route in ('mutual', 'recovery', 'direct')),
    add constraint accident_route_direct_has_payer check (route <> 'direct' or payer is not null),
    drop constraint accident_goes_one_way,
    add constraint accident_goes_one_way
        exclude using gist (vehicle with =, around with &&, route with <>)
        where (released_at is null and route <> 'direct'),
    add constraint accident_loss_is_mutual_or_direct
        exclude using gist (vehicle with =, around with &&, route with <>)
        where (released_at is null and route <> 'recovery'),
    -- Of the same policy. Another liable policy may pay its own share while this one is recovered from.
    add constraint accident_loss_is_paid_once
        exclude using gist (vehicle with =, around with &&, payer with =, route with <>)
        where (released_at is null and payer is not null);

-- Codes that are live say from which policy the insured vehicle's loss is recovered.
update clearing.accident_route way set payer = recovery.liable_confirm_code
from clearing.recovery
where way.holder = recovery.recovery_code and way.released_at is null and way.route = 'recovery'
  and way.vehicle = substring(sha256(convert_to(recovery.facts ->> 'ownFrame', 'UTF8')) for 16);
insert into clearing.accident_route (vehicle, around, route, payer, holder, tenant_id, taken_at)
select substring(sha256(convert_to('policy:' || way.payer, 'UTF8')) for 16), way.around, way.route, way.payer,
       way.holder, way.tenant_id, way.taken_at
from clearing.accident_route way
where way.released_at is null and way.route = 'recovery' and way.payer is not null;

-- Who goes another way than the wanted one, of any insurer: asked to name him in a refusal.
create function clearing.other_ways(marks bytea[], wanted_around tstzrange, wanted_route text, wanted_payer text)
    returns table (route text, holder text)
    language sql stable security definer rows 1
    set search_path = pg_catalog as $$
    select distinct way.route, way.holder
    from clearing.accident_route way
    where way.released_at is null and way.vehicle = any (marks) and way.around && wanted_around
      and way.route <> wanted_route
      and (way.payer = wanted_payer or 'mutual' in (way.route, wanted_route))
    order by way.route, way.holder
$$;
revoke execute on function clearing.other_ways from public;
grant execute on function clearing.other_ways to commonwheel_app;
