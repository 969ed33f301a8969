//! The functions this room offers. Gate, meter, audit and document read these.

use base_http::Function;
use base_http::function::KeyRule;

/// Read who looked at whose records.
pub const ACCESS_READ: Function = Function {
    code: "platform.evidence.access_read",
    title_zh: "查阅访问记录",
    title_en: "Read who looked at records",
    key: KeyRule::Optional,
    quota: false,
};

/// Every function of this room.
pub const ALL: &[&Function] = &[&ACCESS_READ];
