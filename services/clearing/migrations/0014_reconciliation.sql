-- Reconciliation: the bank's own lines, and what does not agree, worked as cases.

-- Lines of the bank's statements, as the bank booked them. Never changed.
create table clearing.bank_line (
    entry_ref   text        not null primary key check (length(entry_ref) between 1 and 80),
    booked_on   date        not null,
    -- Positive when it came in.
    amount_fen  bigint      not null,
    is_reversal boolean     not null,
    -- The order it names, when we know that order.
    order_id    uuid        references clearing.payment_order,
    end_to_end  text,
    remittance  text,
    taken_at    timestamptz not null
);
create index bank_line_of_order on clearing.bank_line (order_id) where order_id is not null;
create index bank_line_of_day on clearing.bank_line (booked_on);

create table clearing.reconciliation_case (
    case_id     uuid        not null primary key,
    -- Whose orders it is about; the clearing house's own when it is about none.
    participant uuid        not null,
    kind        text        not null check (kind ~ '^[a-z_]{1,30}$'),
    -- An order, a line of the bank, or an id the insurer wrote.
    about       text        not null check (length(about) between 1 and 80),
    ours_fen    bigint,
    bank_fen    bigint,
    insurer_fen bigint,
    opened_at   timestamptz not null,
    constraint reconciliation_case_is_unique unique (participant, kind, about)
);
create index reconciliation_case_in_order on clearing.reconciliation_case (opened_at, case_id);

-- What was done about a case, by whom and why; where it stands is what its steps say.
create table clearing.reconciliation_step (
    case_id uuid        not null references clearing.reconciliation_case,
    step    int         not null check (0 < step),
    action  text        not null check (action in
        ('explain', 'correct', 'propose_write_off', 'write_off', 'keep', 'reopen')),
    tenant  uuid        not null,
    done_by text        not null check (length(done_by) between 1 and 200),
    why     text        not null check (length(why) between 1 and 500),
    done_at timestamptz not null,
    primary key (case_id, step)
);

alter table clearing.bank_line enable row level security;
create policy bank_line_of_participant on clearing.bank_line using ((select clearing.is_house()) or exists (
    select from clearing.payment_order o where o.order_id = bank_line.order_id));
alter table clearing.reconciliation_case enable row level security;
create policy reconciliation_case_of_participant on clearing.reconciliation_case using (
    (select clearing.is_house())
    or participant = any ((select string_to_array(current_setting('commonwheel.tenants', true), ',')::uuid[])::uuid[]));
alter table clearing.reconciliation_step enable row level security;
create policy reconciliation_step_of_participant on clearing.reconciliation_step using (exists (
    select from clearing.reconciliation_case c where c.case_id = reconciliation_step.case_id));

grant select, insert on clearing.bank_line, clearing.reconciliation_case,
    clearing.reconciliation_step to commonwheel_app;
