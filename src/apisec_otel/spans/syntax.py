"""What reads as syntax in a text of a request: literals, words and points, for the native score (`apisec-core`, `text::Syntax`).

Source: the probe of the payload model, made for it on recorded request corpora and synthetic attacks, nothing learned. Points are half
decades of how rarely a benign text holds such a thing, a prior and no measured rate. Matching is on decoded text in lower case.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

FAMILIES: Final = ("sql", "markup", "file", "command", "template", "crlf", "ldap", "nosql", "code", "encoding", "overflow")
"""What an attack would be of; of equal ones the first is named."""

ANYWHERE: Final = ""
WORD_STARTS: Final = "starts"
"""Only where no word goes on before the literal."""
WORD_ENDS: Final = "ends"
"""Only where no word goes on after it."""
AFTER_LINE_BREAK: Final = "broken"
"""Only in texts with a line break."""

# fmt: off
LITERALS: Final[Mapping[str, Mapping[str, Mapping[int, tuple[str, ...]]]]] = {
    "sql": {
        ANYWHERE: {
            8: ("information_schema",),
            6: ("rdb$", "/*!"),
            5: ("/**/",),
            4: ("@@", "';"),
            2: ("||",),
        },
        WORD_STARTS: {
            8: ("waitfor delay", "into outfile", "into dumpfile"),
            7: ("procedure analyse", "sysobjects", "syscolumns", "pg_catalog"),
            6: ("xp_", "utl_", "dbms_", "ctxsys", "sqlite_"),
            5: ("all_users", "all_tables"),
            4: ("sysdate",),
            3: ("order by 1", "order by 2", "order by 3", "order by 5", "pg_", "sp_", "is not null"),
            2: ("order by", "group by", "is null"),
            1: ("0x",),
        },
    },
    "markup": {
        ANYWHERE: {
            8: ("<script", "</script"),
            6: ("-moz-binding",),
            5: (".innerhtml",),
            4: ("<a ", "<a/", "&#x", "@import", "<!--"),
            2: ("&lt;",),
        },
        WORD_STARTS: {
            7: ("javascript:", "vbscript:", "data:text/html"),
            6: (
                "document.cookie", "document.write", "document.location", "document.domain", "document.body", "document.getelement",
                "document.forms", "document.url", "document.create", "document.query", "fromcharcode",
            ),
            5: (
                "alert(", "prompt(", "confirm(", "alert`", "eval(", "window.location", "window.open", "window.onerror", "window.name",
                "window.onload", "document[", "srcdoc=", "xlink:href", "formaction=", "constructor(", "atob(",
            ),
            4: ("window[", "settimeout(", "expression("),
        },
        WORD_ENDS: {
            8: ("<iframe",),
            7: ("<svg",),
            6: ("<img", "<body", "<object", "<embed", "<meta", "<style", "<marquee", "<math"),
            5: ("<link", "<input", "<form", "<base", "<video", "<audio", "<details"),
            4: ("<div",),
        },
    },
    "file": {
        ANYWHERE: {
            8: ("etc/passwd", "etc/shadow"),
            7: ("/proc/self",),
            6: ("windows/system32", "windows\\system32"),
            5: ("../", "..\\", "etc/hosts", "proc/version", ".htaccess", ".htpasswd", "web.config", "/.git/", "/.svn/", "/.ssh/"),
            4: ("wp-config", "/var/log/"),
        },
        WORD_STARTS: {
            8: ("169.254.169.254",),
            7: ("php://", "expect://", "phar://", "gopher://"),
            6: ("win.ini", "boot.ini", "file://", "zip://", "dict://", "ldap://"),
            5: ("id_rsa", "web-inf"),
            4: ("jar:", "c:\\"),
            3: ("c:/", "127.0.0.1"),
            2: ("localhost",),
        },
        WORD_ENDS: {5: ("/.env",)},
    },
    "command": {
        ANYWHERE: {
            8: ("/dev/tcp", "${ifs", "$ifs"),
            7: ("() {", "%comspec%", "{cat,"),
            6: ("/bin/", "/dev/null", "2>&1", ">/dev"),
            4: ("/usr/", "$(", "(){", "<("),
            3: ("<<<",),
        },
        WORD_STARTS: {
            7: ("cmd.exe", "cmd /c"),
            5: ("powershell",),
        },
    },
    "template": {
        ANYWHERE: {
            10: ("${jndi:",),
            8: ("__class__", "__globals__"),
            5: ("<%", "${", "{%"),
            4: ("{{", "#{", "%{", "*{", "7*7"),
            3: ("@{",),
        },
        WORD_STARTS: {4: ("self._",)},
    },
    "crlf": {AFTER_LINE_BREAK: {4: ("http/1",)}},
    "ldap": {
        ANYWHERE: {
            7: ("*)(",),
            6: ("(|(", "(&(", ")(|", ")(&", "objectclass="),
            5: ("(uid=", "(cn="),
            3: (")(",),
        },
        WORD_STARTS: {
            6: ("ancestor::", "string-length("),
            5: ("child::",),
        },
    },
    "nosql": {
        ANYWHERE: {
            7: ('{"$', "$where"),
            6: ("[$",),
            4: ("'$", "'=="),
        },
        WORD_ENDS: {
            6: ("$regex", "$exists"),
            5: ("$ne", "$gt", "$or"),
        },
    },
    "code": {
        ANYWHERE: {
            8: ("<!--#", "<!entity", "<?php", "__import__", "__proto__", "constructor.prototype", "class.module", "child_process"),
            7: (
                "{php}", "<?=", "java.lang", "getruntime", "processbuilder", "classloader", "memberaccess", "t(java", "scriptengine",
                "$_get", "$_post", "$_request", "$_server", "$globals", "ro0ab",
            ),
            6: (
                "%n%n", "%s%s%s", "%x%x%x", "constructor[", "[constructor]", "[prototype]", "java.io", "java.util", "getclass",
                "#context", "springframework",
            ),
            5: ("%d%d%d", "<!doctype", "<![cdata"),
            3: ("<?xml",),
        },
        WORD_STARTS: {
            7: (
                "passthru(", "shell_exec", "proc_open", "file_get_contents", "file_put_contents", "call_user_func", "create_function",
                "aced0005", "os.system", "this.constructor",
            ),
            6: ("ognl", "system(", "popen(", "phpinfo", "base64_decode", "ro0ab", "process.env"),
            5: ("javax.", "exec(", "assert(", "require(", "subprocess", "fopen("),
            4: ("import(", "include(", "chr(", "md5("),
            3: ("process.", "function(", "open(", "print(", "echo(", "die(", "array("),
            2: ("global.",),
        },
    },
}
"""By family, where they count, and points; each counts once. A serialized object counts again at the start of a word."""
# fmt: on

_TABLES = "table database schema column index view procedure function user trigger"

WORDS: Final[Mapping[str, str]] = {
    "connective": "or and xor not like rlike regexp between having where div mod in is sounds glob ilike",
    "select": "select",
    "union": "union intersect except minus",
    "from": "from",
    "into": "into",
    "table": _TABLES,
    "verb": """
        drop alter create truncate insert delete update exec execute declare shutdown grant revoke rename merge replace call handler begin
        set values
    """,
    "clause": """
        order group limit offset asc desc null case when then else end exists as join all distinct top collate cast convert waitfor delay
    """,
    "common": "in is not and or as user all set end top when else then",
    "call": "exec execute declare",
    "function_strong": "sleep benchmark extractvalue updatexml load_file pg_sleep group_concat randomblob unhex",
    "function_plain": """
        concat concat_ws char chr ascii substr substring mid current_user system_user hex ord ifnull isnull nullif coalesce cast convert
        elt make_set row_count floor rand exp json_keys reverse iif least greatest to_char generate_series session_user uid userenv
        dbms_pipe exists avg md5 sha1 abs round select len varchar nvarchar decode instr strcmp bin oct conv lpad rpad xmltype crypt_key
        analyse polygon multipoint geometrycollection regexp_substring nchar unicode serverproperty is_srvrolemember db_name object_id
        quotename
    """,
    "function_weak": """
        if like or and in left right user all max min sum length count insert version quote any some lower upper database schema values
    """,
    "function_attached": "table",
    "command_strong": """
        whoami wget curl netcat ncat bash zsh ksh uname chmod nslookup powershell cmd ipconfig ifconfig printenv awk tftp telnet ssh scp
        mkfifo netstat busybox systeminfo tasklist certutil bitsadmin crontab nohup chown useradd lsof python3
    """,
    "command_ambiguous": """
        cat ls id nc sh ping sleep echo rm python perl php ruby dig host dir type net ps env tail head more less touch kill which pwd cp
        mv find grep sed ftp base64 xxd od sudo su w who set export source start del copy reg timeout tac nl sort hostname mail node java
        gcc time exec eval shutdown reboot printf df du last history date
    """,
}
"""Words by what they are. `common` ones of a query language do not count as such: prose is full of them."""

ANY_DISTANCE: Final = 1 << 20

PAIRS: Final = (
    ("delete", "from", 1, 4),
    ("insert replace", "into", 1, 4),
    ("update", "set", 2, 4),
    ("insert replace", "values", ANY_DISTANCE, 4),
    ("drop alter create truncate", _TABLES, 1, 5),
)
"""Verbs, what says that they are meant, within how many words, points for `sql`."""

RULES: Final[Mapping[str, Mapping[str, int]]] = {
    "sql": {
        "quote_connective_operand": 6,
        "quote_connective": 3,
        "double_quote_connective_operand": 5,
        "double_quote_connective": 1,
        "bracket_connective_operand": 5,
        "bracket_connective": 1,
        "number_connective_number": 1,
        "union_select": 8,
        "opened_union": 4,
        "opened_select": 5,
        "select_from": 4,
        "stacked_verb": 5,
        "call": 5,
        "strong_function": 6,
        "plain_function": 4,
        "weak_function": 2,
        "equal_sides": 8,
        "number_sides": 6,
        "quoted_side": 4,
        "any_sides": 2,
        "quoted_line_comment": 4,
        "line_comment": 2,
        "comment_after_quote": 3,
        "hash_comment": 4,
        "block_comment": 3,
        "many_words": 4,
        "several_words": 2,
        "open_quote": 2,
        "open_double_quote": 1,
    },
    "markup": {"tag": 3, "handler": 6},
    "command": {
        "backticks": 3,
        "strong_command": 7,
        "strong_command_after_ampersand": 5,
        "command_with_argument": 6,
        "command_with_argument_after_ampersand": 3,
        "last_command": 6,
        "last_command_after_ampersand": 2,
        "loose_command": 3,
        "loose_command_after_ampersand": 1,
    },
    "crlf": {"line_break": 3, "line_break_in_body": 1, "header_line": 6},
    "encoding": {"double_encoded": 3, "percent_u": 5, "overlong": 6, "nul": 8, "full_width": 5, "backslash": 3},
    "overflow": {"run": 2, "long_run": 5, "huge_run": 7},
}
"""Points of what a pass over words, numbers and marks finds, by family; what each is stands in `syntax/findings.rs`."""


def syntax_json() -> str:
    """Everything above as the text that `_native` reads."""
    return json.dumps(
        {
            "families": FAMILIES,
            "literals": list(_literals()),
            "words": {name: words.split() for name, words in WORDS.items()},
            "pairs": [_pair(*pair) for pair in PAIRS],
            "rules": {name: {"family": family, "weight": weight} for family, rules in RULES.items() for name, weight in rules.items()},
        }
    )


def _literals() -> Iterator[dict[str, Any]]:
    for family, places in LITERALS.items():
        for place, weights in places.items():
            for weight, texts in weights.items():
                for text in texts:
                    where = {place: True} if place else {}
                    yield {"text": text, "family": family, "weight": weight, **where}


def _pair(verbs: str, words: str, within: int, weight: int) -> dict[str, Any]:
    return {"verbs": verbs.split(), "words": words.split(), "within": within, "family": "sql", "weight": weight}
