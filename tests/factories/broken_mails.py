"""Mails that no honest program writes, and some that careless ones do: what each has wrong, and its bytes."""

import base64

HEAD = (
    b"From: Ann Bo <ann@example.com>\r\nTo: sales@lanterna.example.com\r\nSubject: Listino\r\n"
    b"Date: Mon, 23 Nov 2026 08:00:00 +0000\r\n"
)


def _mail(name: str, rest: bytes, head: bytes = HEAD) -> bytes:
    return head + b"Message-ID: <" + name.replace(" ", "-").encode() + b"@example.com>\r\n" + rest


def _nested(depth: int) -> bytes:
    opening = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level) for level in range(depth)
    )
    closing = b"".join(b"\r\n--b%d--\r\n" % level for level in reversed(range(depth)))
    return opening + b"Content-Type: text/plain\r\n\r\nin the deep" + closing


def _inside(depth: int) -> bytes:
    return b"Content-Type: message/rfc822\r\n\r\n" * depth + b"Subject: in the deep\r\n\r\nhello\r\n"


def broken_mails() -> dict[str, bytes]:
    """{what is wrong: the mail}; all but those about the author come from ann@example.com."""
    text = b"Content-Type: text/plain; charset=%s\r\n\r\n%s\r\n"
    crowd = b", ".join(b"p%d@example.com" % number for number in range(10_000))
    parts = {
        "utf-8 called ascii": text % (b"us-ascii", "perché no".encode()),
        "latin called utf-8": text % (b"utf-8", "perché no".encode("latin-1")),
        "unknown charset": text % (b"x-klingon", "perché no".encode()),
        "charset that is a path": text % (b"../../etc/passwd", b"hello"),
        "charset that runs code": text % (b"rot13", b"hello"),
        "charset of bytes": text % (b"zlib", b"hello"),
        "idna charset": text % (b"idna", b"hello" * 100),
        "utf-7": text % (b"utf-7", b"+ADw-script+AD4-"),
        "half a utf-16": text % (b"utf-16", b"\xff\xfeh\x00e"),
        "base64 with rubbish": b"Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=!!!\xff\r\n%%%\r\n",
        "base64 cut off": b"Content-Transfer-Encoding: base64\r\n\r\naGVsb\r\n",
        "quoted printable cut off": b"Content-Transfer-Encoding: quoted-printable\r\n\r\nperch=C3=\r\n",
        "unknown encoding": b"Content-Transfer-Encoding: x-own\r\n\r\nhello\r\n",
        "uuencode cut off": b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 666 a.txt\r\n#",
        "no boundary": b"Content-Type: multipart/mixed\r\n\r\nhello\r\n",
        "boundary never used": b'Content-Type: multipart/mixed; boundary="x"\r\n\r\nhello\r\n',
        "empty boundary": b'Content-Type: multipart/mixed; boundary=""\r\n\r\n--\r\n\r\nhello\r\n----\r\n',
        "boundary within boundary": b'Content-Type: multipart/mixed; boundary="a"\r\n\r\n--a\r\nContent-Type: '
        b'multipart/mixed; boundary="aa"\r\n\r\n--aa\r\n\r\nhello\r\n--aa--\r\n--a--\r\n',
        "never closed": b'Content-Type: multipart/alternative; boundary="x"\r\n\r\n--x\r\n\r\nhello\r\n',
        "fifty deep": _nested(50),
        "five thousand deep": _nested(5_000),
        "mails in mails": _inside(300),
        "a thousand parts": b'Content-Type: multipart/mixed; boundary="x"\r\n\r\n'
        + b"--x\r\n\r\nhello\r\n" * 1_000
        + b"--x--\r\n",
        "type without end": b'Content-Type: text/plain; a="' + b"\\" * 5_000 + b"\r\n\r\nhello\r\n",
        "ten thousand parameters": b"Content-Type: text/plain" + b"; a*0=b" * 2_000 + b"\r\n\r\nhello\r\n",
        "name in pieces": b"Content-Type: application/pdf; name*0*=utf-8''%ff; name*9=x; name*1*=%zz\r\n\r\n%PDF\r\n",
        "name that is a path": b'Content-Disposition: attachment; filename="../../etc/x\x00.sh"\r\n\r\nrm\r\n',
        "winmail.dat": b'Content-Type: application/ms-tnef; name="winmail.dat"\r\nContent-Transfer-Encoding: base64\r\n'
        b"Content-Disposition: attachment\r\n\r\n" + base64.b64encode(b"\x78\x9f\x3e\x22" * 50) + b"\r\n",
        "line without end": b"\r\n" + b"a" * 2_000_000,
        "bare returns": b"\r\nhello\rthere\r\rbye\r",
        "bytes of zero": b"\r\nhel\x00lo\r\n",
        "no body": b"",
        "two megabytes": b"Content-Type: application/zip\r\nContent-Disposition: attachment; filename=a.zip\r\n"
        b"Content-Transfer-Encoding: base64\r\n\r\n" + (base64.b64encode(b"x" * 57) + b"\r\n") * 26_000,
        "crowd": b"Cc: " + crowd + b"\r\n\r\nhello\r\n",
        "thousand references": b"References: "
        + b" ".join(b"<%d@x.example>" % n for n in range(5_000))
        + b"\r\n\r\nhi\r\n",
        "reference with holes": b"In-Reply-To: <a b@x> <> <@> <x@> y@z\r\nReferences: <<<<\r\n\r\nhello\r\n",
        "subject of words without end": b"Subject: " + b"=?utf-8?q?=41?= " * 2_000 + b"\r\n\r\nhello\r\n",
        "words that lie": b"X-A: =?utf-8?b?!!!?=\r\nSubject: =?no-such?q?=ff?= =?utf-8?b?w?=\r\n\r\nhello\r\n",
        "two of each": b"Subject: other\r\nMessage-ID: <other@example.com>\r\nFrom: mallory@evil.example\r\n\r\nhi\r\n",
        "folded for ever": b"X-Long: a" + b"\r\n b" * 20_000 + b"\r\n\r\nhello\r\n",
        "html alone and deep": b"Content-Type: text/html\r\n\r\n" + b"<div>" * 20_000 + b"hello",
        "report without parts": b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x--",
        "report of rubbish": b"Content-Type: multipart/report; report-type=delivery-status; boundary=x\r\n\r\n--x\r\n"
        b"Content-Type: message/delivery-status\r\n\r\nFinal-Recipient: \xff\r\nAction: exploded\r\n--x--\r\n",
    }
    mails = {name: _mail(name, rest) for name, rest in parts.items()}
    for name, date in {
        "date of nobody": b"Mon, 99 Foo 99999 99:99:99 +9999",
        "date before time": b"Thu, 01 Jan 0001 00:00:00 +0000",
        "date far ahead": b"Fri, 31 Dec 9999 23:59:59 -2359",
        "date in words": b"yesterday",
    }.items():
        head = HEAD.replace(b"Mon, 23 Nov 2026 08:00:00 +0000", date)
        mails[name] = _mail(name, b"\r\nhello\r\n", head)
    return mails


def mails_of_nobody() -> dict[str, bytes]:
    """{what is wrong: the mail}; none has an author whom anybody could answer."""
    return {
        name: _mail(name, b"\r\nhello\r\n", b"From: " + author + b"\r\nSubject: x\r\n" if author else b"Subject: x\r\n")
        for name, author in {
            "no author": b"",
            "empty author": b"  ",
            "name alone": b"Ann Bo",
            "half an address": b"ann@",
            "group of none": b"undisclosed-recipients:;",
            "address with a space": b"<ann bo@>",
            "long address": b"a" * 5_000 + b"@example.com",
            "letters of two alphabets": "аnn@exаmple.com".encode(),
        }.items()
    }
