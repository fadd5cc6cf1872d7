// SPDX-License-Identifier: GPL-2.0-only
#include "scenarios/engine/page/style.hpp"

#include <iterator>

namespace baton::scenarios::page {

// One set of colours for each scheme; owners that are about the handover stand out, the rest stays pale.
const std::string_view kCss = R"css(
:root{color-scheme:light dark;
--bg:#f6f7f9;--card:#fff;--ink:#1b2430;--soft:#5b6776;--line:#dfe4ea;--code:#f1f3f6;
--good:#1a7f4b;--good-bg:#e3f5ea;--bad:#c62f36;--bad-bg:#fdebec;--wait:#8a6100;--wait-bg:#fff4d6;--link:#1f5fc4;
--old:#6b9be8;--code-phase:#a77be0;--new:#3fb5a3;
--nobody:#e6eaef;--free:#d3ebd9;--firmware:#aab4bf;--kernel:#a9c4ee;--kernel-image:#2f6fdb;--page-tables:#8579d6;
--user:#e9c63c;--scratch:#bfe3f0;--image-source:#b98af0;--image-list:#cf3fd6;--control:#ec4f9b;--preserved:#f0741f;
--handed-over:#f6a46c;--metadata:#27313d;--mmio:#888;--dma:#0f9d8a}
@media(prefers-color-scheme:dark){:root{
--bg:#11151a;--card:#191f26;--ink:#e4e9ef;--soft:#94a1b0;--line:#2c353f;--code:#12171d;
--good:#5fd08f;--good-bg:#15301f;--bad:#ff7b81;--bad-bg:#3a1a1d;--wait:#f0c35a;--wait-bg:#332910;--link:#7fb0ff;
--old:#4a79c4;--code-phase:#8259bd;--new:#2a8f80;
--nobody:#262d35;--free:#23412c;--firmware:#5f6a75;--kernel:#36568a;--kernel-image:#5b95f5;--page-tables:#7468cf;
--user:#d2b02c;--scratch:#1f4d5e;--image-source:#a06fe0;--image-list:#d955df;--control:#ef68aa;--preserved:#f58236;
--handed-over:#b8733f;--metadata:#eef2f6;--mmio:#777;--dma:#2fc4ae}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI","DejaVu Sans",sans-serif}
main{max-width:1180px;margin:0 auto;padding:32px 24px 64px}
h1{font-size:26px;line-height:1.25;margin:0 0 4px}h2{font-size:19px;margin:0}h3{font-size:15px;margin:24px 0 8px}
p{margin:4px 0}a{color:var(--link);text-decoration:none}a:hover{text-decoration:underline}
code,pre,.m{font-family:ui-monospace,SFMono-Regular,"DejaVu Sans Mono",monospace;font-size:13px}
.soft{color:var(--soft)}.num{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
.badge{display:inline-block;padding:1px 10px;border-radius:99px;font-size:13px;font-weight:600;white-space:nowrap}
.good{color:var(--good);background:var(--good-bg)}.bad{color:var(--bad);background:var(--bad-bg)}
.wait{color:var(--wait);background:var(--wait-bg)}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;margin:16px 0;padding:20px 24px}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}th{font-weight:600;text-align:left;color:var(--soft);font-size:13px}
th,td{padding:5px 16px 5px 0;border-bottom:1px solid var(--line);vertical-align:top}tr:last-child td{border-bottom:0}
th:last-child,td:last-child{padding-right:0}
details>summary{cursor:pointer;list-style-position:outside}details>summary::marker{color:var(--soft)}
details.run>summary{display:flex;gap:12px;align-items:baseline;flex-wrap:wrap;list-style:none}
details.run>summary::-webkit-details-marker{display:none}
details.more{margin:16px 0 0}details.more>summary{color:var(--soft);font-weight:600;font-size:14px}
.finding{border-left:4px solid var(--bad);background:var(--bad-bg);border-radius:6px;padding:12px 16px;margin:14px 0}
.finding b{font-size:16px}
pre{margin:8px 0;padding:10px 12px;background:var(--code);border-radius:6px;overflow-x:auto;white-space:pre}
pre .n{color:var(--soft);user-select:none}pre .here{display:inline-block;min-width:100%;background:var(--bad-bg);box-shadow:-3px 0 var(--bad)}
pre .warn{color:var(--wait)}pre .error{color:var(--bad)}pre .past{color:var(--soft)}
.figures{display:flex;gap:32px;flex-wrap:wrap;margin:12px 0}
.figures div{min-width:88px}.figures b{display:block;font-size:20px;line-height:1.3}.figures span{color:var(--soft);font-size:13px}
.stack{display:flex;height:26px;border-radius:5px;overflow:hidden;margin:8px 0 2px;background:var(--code)}
.stack i{display:block;min-width:1px;font-style:normal;font-size:12px;line-height:26px;color:#fff;text-align:center;overflow:hidden;white-space:nowrap;border-right:1px solid var(--card)}
.stack i:last-child{border:0}
.bar{display:block;height:10px;min-width:2px;border-radius:2px;margin-top:6px}
.old{background:var(--old)}.machine{background:var(--code-phase)}.new{background:var(--new)}
.phases td:nth-child(2){width:32%}.phases td:first-child{white-space:nowrap}.phases td:last-child{font-size:13px}
.key{display:flex;gap:6px 20px;flex-wrap:wrap;font-size:13px;color:var(--soft);margin:6px 0}
.key i{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:6px;vertical-align:-1px}
svg{display:block;width:100%;min-width:680px;height:auto;margin-top:8px;font-family:inherit}svg .m{font-size:10px}
details.more>svg{margin-bottom:4px}.hashes{margin-top:20px;font-size:13px}
ul{margin:8px 0;padding-left:20px}li{margin:2px 0}
#filter{font:inherit;padding:5px 10px;border:1px solid var(--line);border-radius:6px;background:var(--card);color:var(--ink);width:260px;max-width:100%}
footer{color:var(--soft);font-size:13px;margin-top:32px}
@media(max-width:700px){main{padding:20px 12px}.card{padding:14px}}
)css";

// A link to a run opens it; the filter hides lines of the table of runs.
const std::string_view kScript = R"js(
function show(){const d=document.querySelector(location.hash||'#none');if(d&&d.tagName==='DETAILS')d.open=true}
addEventListener('hashchange',show);show();
const f=document.querySelector('#filter');
if(f)f.addEventListener('input',()=>{for(const r of document.querySelectorAll('#runs tbody tr'))
r.hidden=!r.textContent.toLowerCase().includes(f.value.toLowerCase())});
)js";

std::string_view owner_fill(Owner owner) {
    constexpr std::string_view kFills[] = {
        "var(--nobody)",       "var(--free)",        "var(--firmware)", "var(--kernel)",
        "var(--kernel-image)", "var(--page-tables)", "var(--user)",     "var(--scratch)",
        "var(--image-source)", "var(--image-list)",  "var(--control)",  "var(--preserved)",
        "var(--handed-over)",  "var(--metadata)",    "var(--mmio)",     "var(--dma)",
    };
    static_assert(std::size(kFills) == static_cast<u32>(Owner::kCount));
    return kFills[static_cast<u32>(owner)];
}

}  // namespace baton::scenarios::page
