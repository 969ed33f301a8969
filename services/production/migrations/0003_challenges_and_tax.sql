-- Answered challenges: from here on the quote is shown.
create table production.quote_check (
    slot        integer     not null,
    query_no    text        not null,
    tenant_id   uuid        not null,
    client      text        not null,
    answered_at timestamptz not null,
    primary key (slot, query_no),
    foreign key (slot, query_no) references production.quote
);

-- Withheld vehicle tax on its way to the tax office. Written with the confirmation, delivered
-- afterwards under a platform number, repeated until taken: a call to another authority never
-- hangs in our transaction, and no confirmed withholding can be forgotten. Tax that changes later
-- is taken back under its number and declared anew under the amend confirm code.
create table production.tax_declaration (
    slot            integer     not null,
    declaration_no  text        not null check (length(declaration_no) = 30),
    confirm_no      text        not null, -- the policy the tax is printed on
    tenant_id       uuid        not null,
    state           text        not null
        check (state in ('pending', 'registered', 'refused', 'withdrawing', 'withdrawn')),
    total_fen       bigint      not null check (0 < total_fen),
    attempts        integer     not null default 0,
    next_attempt_at timestamptz not null,
    registration_no text,
    receipt_no      text,
    refusal         text,
    recorded_at     timestamptz not null,
    settled_at      timestamptz,
    primary key (slot, declaration_no),
    constraint tax_declaration_settled_is_whole check (
        (state in ('pending', 'withdrawing')) = (settled_at is null)
        and (state <> 'registered' or registration_no is not null)
        and (state = 'refused') = (refusal is not null))
);
create index tax_declaration_due on production.tax_declaration (next_attempt_at)
    where state in ('pending', 'withdrawing');

alter table production.quote_check enable row level security;
create policy own_tenant on production.quote_check
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table production.tax_declaration enable row level security;
create policy own_tenant on production.tax_declaration
    using (tenant_id = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));

-- The delivery of declarations crosses tenants; it learns which are due and whose, no more.
create function production.due_tax_declarations(now_at timestamptz, most integer)
    returns table (slot integer, declaration_no text, tenant_id uuid)
    language plpgsql security definer set search_path = pg_catalog as $$
begin
    return query
        update production.tax_declaration d
        -- Taken for a minute: another server leaves it alone, a crash gives it back.
        set attempts = d.attempts + 1, next_attempt_at = now_at + interval '1 minute'
        where (d.slot, d.declaration_no) in (
            select due.slot, due.declaration_no from production.tax_declaration due
            where due.state in ('pending', 'withdrawing') and due.next_attempt_at <= now_at
            order by due.next_attempt_at limit most for update skip locked)
        returning d.slot, d.declaration_no, d.tenant_id;
end $$;
revoke execute on function production.due_tax_declarations from public;
grant execute on function production.due_tax_declarations to commonwheel_app;

grant select, insert on production.quote_check to commonwheel_app;
grant select, insert, update on production.tax_declaration to commonwheel_app;
