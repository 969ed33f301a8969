-- 欺诈评分: what was said of a claim when a step of it was taken, by which version of a model, and the
-- figures it was said of, so that it can be computed again. A step that went by rules alone says why.
create table production.claim_score (
    slot          integer     not null,
    claim_no      text        not null,
    sequence      integer     not null,
    tenant_id     uuid        not null,
    outcome       text        not null check (outcome in
        ('scored', 'noModel', 'broken', 'missing', 'late', 'failed', 'busy')),
    model_id      uuid,
    model_version integer,
    model_scope   text        check (model_scope in ('tenant', 'market')),
    chance_ppm    integer     check (chance_ppm between 0 and 1000000),
    band          text        check (band in ('low', 'review', 'high')),
    reasons       json,
    features      json        not null, -- production_core::claim::feature::Features
    scored_at     timestamptz not null,
    primary key (slot, claim_no, sequence),
    foreign key (slot, claim_no, sequence) references production.claim_step,
    constraint claim_score_is_whole check (num_nonnulls(model_id, model_version, model_scope,
        chance_ppm, band, reasons) = case outcome when 'scored' then 6 else 0 end)
);

alter table production.claim_score enable row level security;
create policy own_tenant on production.claim_score
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
grant select, insert on production.claim_score to commonwheel_app;
