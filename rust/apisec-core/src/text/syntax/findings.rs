//! What the pass can find, each with points of its own.

use serde::Deserialize;

macro_rules! findings {
    ($($(#[$about:meta])* $name:ident,)*) => {
        /// Something that a text does; its points and family come from outside.
        #[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
        #[serde(rename_all = "snake_case")]
        pub enum Finding {
            $($(#[$about])* $name,)*
        }

        impl Finding {
            /// Every one, in order.
            pub const ALL: &[Self] = &[$(Self::$name,)*];
            /// How many there are.
            pub const COUNT: usize = Self::ALL.len();
        }
    };
}

findings! {
    /// `' or 1`: a connective between a quote and an operand.
    QuoteConnectiveOperand,
    /// `' or x`: a connective after a quote.
    QuoteConnective,
    /// `" or 1`, after a double quote, which prose has too.
    DoubleQuoteConnectiveOperand,
    /// `" and "`, `" or x`.
    DoubleQuoteConnective,
    /// `) or 1`.
    BracketConnectiveOperand,
    /// `) or x`.
    BracketConnective,
    /// `1 or 1`.
    NumberConnectiveNumber,
    /// `union select`, `union all select`.
    UnionSelect,
    /// `' union`, `) union`.
    OpenedUnion,
    /// `(select`, `; select`, `' select`.
    OpenedSelect,
    /// `select .. from`.
    SelectFrom,
    /// `; drop`.
    StackedVerb,
    /// `exec(`, `declare @`.
    Call,
    /// `sleep(`, `sleep (`.
    StrongFunction,
    /// `concat(`.
    PlainFunction,
    /// `count(`: a word of prose and code as well; also any function at a distance from its bracket.
    WeakFunction,
    /// `and 'a'='a'`: both sides the same.
    EqualSides,
    /// `or 1=2`.
    NumberSides,
    /// `or 'a' <`.
    QuotedSide,
    /// `or x =`.
    AnySides,
    /// `-- ` in a text with quotes.
    QuotedLineComment,
    /// `-- ` at the end, or after words of a query language.
    LineComment,
    /// `'--`, `"/*`, `'#`.
    CommentAfterQuote,
    /// `#` at the end.
    HashComment,
    /// `/*`.
    BlockComment,
    /// Five words of a query language or more.
    ManyWords,
    /// Three or four.
    SeveralWords,
    /// An odd number of quotes, the first not within a name.
    OpenQuote,
    /// An odd number of double quotes.
    OpenDoubleQuote,
    /// `<a`, `</`, `<!`, `<?`, `<%`.
    Tag,
    /// `onload=`.
    Handler,
    /// A pair of backticks.
    Backticks,
    /// `; curl`: a word that is a command and little else.
    StrongCommand,
    /// `& curl`, as parameters are separated too.
    StrongCommandAfterAmpersand,
    /// `; cat /`: a word that may be one, with what looks like an argument.
    CommandWithArgument,
    /// `& cat /`.
    CommandWithArgumentAfterAmpersand,
    /// `;id` at the end.
    LastCommand,
    /// `&id` at the end.
    LastCommandAfterAmpersand,
    /// `; sort by`.
    LooseCommand,
    /// `& sort by`.
    LooseCommandAfterAmpersand,
    /// 24 of one character in a row.
    Run,
    /// 64 of one character in a row.
    LongRun,
    /// 256 of one character in a row.
    HugeRun,
    /// A metacharacter, percent-encoded more than once.
    DoubleEncoded,
    /// An ASCII character as `%uXXXX`.
    PercentU,
    /// A character in more bytes than it needs.
    Overlong,
    /// NUL.
    Nul,
    /// A full-width metacharacter.
    FullWidth,
    /// An escape with a backslash.
    Backslash,
    /// CR or LF where there is usually none.
    LineBreak,
    /// CR or LF in a body.
    LineBreakInBody,
    /// CR or LF, a name and a colon.
    HeaderLine,
}
