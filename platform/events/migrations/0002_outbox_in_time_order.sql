-- The feed goes by tenant and transaction and nobody looks an event up by its slot. With the slot
-- first each new entry fell on another page of the key; an event identifier begins with its time, so
-- they now follow each other. The slot stays in the key: rows are distributed by it.
alter table events.outbox drop constraint outbox_pkey, add primary key (event_id, slot);
