-- What the operator read off the bank's statement about an order is one more word about it.
alter table clearing.payment_report
    drop constraint payment_report_source_check,
    add constraint payment_report_source_check
        check (source in ('answer', 'notice', 'statement', 'operator'));
