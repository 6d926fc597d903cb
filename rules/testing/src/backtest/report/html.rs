//! The picture and the words on one page, without scripts, to be looked at or attached.

use crate::backtest::Report;
use crate::report::junit::escape;

/// One HTML page.
pub fn html(report: &Report) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
<style>body{{font:14px sans-serif;margin:2em;color:#222}}svg{{max-width:100%;height:auto}}pre{{background:#f6f6f6;padding:1em;overflow:auto}}</style>\n\
</head>\n<body>\n<h1>{title}</h1>\n{}<h2>In words</h2>\n<pre>{}</pre>\n</body>\n</html>\n",
        super::svg(report),
        escape(&super::text(report)),
        title = escape(&format!("Backtest, {} to {}", report.from, report.to)),
    )
}
