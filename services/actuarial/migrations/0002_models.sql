-- 模型: scorers that runs have learnt, proposed for publication by one person and approved by another.
-- What a model is stands in the result of its run, sealed; the digest says that it is still the same.
create table actuarial.model (
    tenant_id     uuid        not null,
    model_id      uuid        not null,
    purpose       text        not null check (purpose = 'fraudScore'),
    -- `tenant` scores the tenant's own claims; `market` those of every insurer without a model of its
    -- own, and belongs to the operator.
    scope         text        not null check (scope in ('tenant', 'market')),
    version       integer     not null check (1 <= version), -- within tenant, purpose and scope
    title         text,
    run_id        uuid        not null,
    scorer_digest bytea       not null check (octet_length(scorer_digest) = 32),
    -- Chances, in parts per million, from which a claim is worth a look and an investigation.
    review_ppm    integer     not null check (0 < review_ppm),
    high_ppm      integer     not null check (high_ppm between review_ppm and 1000000),
    -- How it did against the model that was in force when it was proposed, on the latest rows.
    comparison    jsonb,
    state         text        not null default 'proposed'
        check (state in ('proposed', 'inForce', 'rejected', 'replaced', 'withdrawn')),
    proposed_by   text        not null,
    proposed_at   timestamptz not null,
    decided_by    text,
    decided_at    timestamptz,
    ended_by      text,
    ended_at      timestamptz,
    reason        text, -- why it was rejected or withdrawn
    primary key (tenant_id, model_id),
    foreign key (tenant_id, run_id) references actuarial.run,
    constraint model_version_is_unique unique (tenant_id, purpose, scope, version),
    -- Maker and checker are two.
    constraint model_four_eyes check (state in ('proposed', 'rejected') or decided_by <> proposed_by),
    constraint model_decision_is_whole check ((state = 'proposed') = (decided_by is null)
        and (decided_by is null) = (decided_at is null)),
    constraint model_end_is_whole check ((state in ('replaced', 'withdrawn')) = (ended_by is not null)
        and (ended_by is null) = (ended_at is null)),
    constraint model_reason_is_told check (state not in ('rejected', 'withdrawn') or reason is not null)
);
create unique index model_one_in_force on actuarial.model (tenant_id, purpose, scope)
    where state = 'inForce';
create index model_list on actuarial.model (tenant_id, proposed_at, model_id);

alter table actuarial.model enable row level security;
create policy own_tenant on actuarial.model
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

-- Every server scores the claims of every tenant: it learns which models are in force and where they
-- are, and opens them with their owners' keys.
create function actuarial.models_in_force(of_purpose text)
    returns table (tenant_id uuid, model_id uuid, scope text, version integer, run_id uuid,
                   scorer_digest bytea, review_ppm integer, high_ppm integer)
    language sql stable security definer set search_path = pg_catalog
    as $$
        select m.tenant_id, m.model_id, m.scope, m.version, m.run_id, m.scorer_digest, m.review_ppm,
               m.high_ppm
        from actuarial.model m where m.state = 'inForce' and m.purpose = of_purpose
    $$;

-- Running servers hear that another model is in force, or none.
create function actuarial.tell_model() returns trigger language plpgsql as $$
begin
    perform pg_notify('commonwheel_model', new.purpose);
    return null;
end $$;
create trigger model_changed after insert or update on actuarial.model
    for each row execute function actuarial.tell_model();

revoke execute on function actuarial.models_in_force from public;
grant execute on function actuarial.models_in_force to commonwheel_app;
grant select, insert, update on actuarial.model to commonwheel_app;
