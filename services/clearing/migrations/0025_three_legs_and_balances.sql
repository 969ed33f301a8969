-- What insurers' files and the bank's balances said, kept, so that a case shows all three books.

-- An insurer's file as it was compared; of two about a day the later one counts. Never changed.
create table clearing.insurer_file (
    file_id     uuid        not null primary key,
    participant uuid        not null,
    from_day    date        not null,
    to_day      date        not null check (from_day <= to_day),
    filed_at    timestamptz not null
);
create index insurer_file_of_participant on clearing.insurer_file (participant, filed_at);

create table clearing.insurer_line (
    file_id    uuid   not null references clearing.insurer_file,
    line       int    not null check (0 < line),
    written    text   not null check (length(written) between 1 and 80),
    -- What is written, where it reads as the id of an order.
    order_id   uuid,
    amount_fen bigint not null,
    primary key (file_id, line)
);
create index insurer_line_of_order on clearing.insurer_line (order_id, file_id) where order_id is not null;

-- A statement's balances, and what our account with the bank stood at for the same day when it was
-- taken first. Never changed.
create table clearing.bank_statement (
    statement_id     text        not null,
    day              date        not null,
    opening_fen      bigint,
    closing_fen      bigint,
    ours_opening_fen bigint      not null,
    ours_closing_fen bigint      not null,
    taken_at         timestamptz not null,
    constraint bank_statement_is_taken_once
        unique nulls not distinct (statement_id, day, opening_fen, closing_fen)
);

alter table clearing.insurer_file enable row level security;
create policy insurer_file_of_participant on clearing.insurer_file
    using ((select clearing.is_house()) or clearing.is_tenant(participant));
alter table clearing.insurer_line enable row level security;
create policy insurer_line_of_file on clearing.insurer_line using ((select clearing.is_house()) or exists (
    select from clearing.insurer_file f where f.file_id = insurer_line.file_id));
alter table clearing.bank_statement enable row level security;
create policy bank_statement_of_house on clearing.bank_statement using ((select clearing.is_house()));

grant select, insert on clearing.insurer_file, clearing.insurer_line, clearing.bank_statement
    to commonwheel_app;
