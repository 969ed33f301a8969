-- Whoever is late is told once. A wait is named by its deadline: one that begins after another was late
-- ends later than that one did. So a code keeps the deadline that was told of as over, and the one that
-- was told of as escalated; a wait that began since has another.
alter table clearing.recovery
    add column overdue_told_of   timestamptz,
    add column escalated_told_of timestamptz;
grant update (overdue_told_of, escalated_told_of) on clearing.recovery to commonwheel_app;
create index recovery_overdue_untold on clearing.recovery (due_at)
    where due_at is not null and overdue_told_of is distinct from due_at;
create index recovery_escalated_untold on clearing.recovery (escalated_at)
    where escalated_at is not null and escalated_told_of is distinct from due_at;

-- The operator lists codes of everybody, also those that stand at one stage.
create index recovery_locked on clearing.recovery (locked_at, recovery_code);
create index recovery_stage on clearing.recovery ((life -> 'stage' ->> 'stage'), locked_at, recovery_code);
