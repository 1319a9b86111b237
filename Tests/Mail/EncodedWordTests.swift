import Mail
import Testing

/// RFC 2047.
struct EncodedWordTests {
    @Test(arguments: [
        ("plain", "plain"), ("", ""),
        ("=?utf-8?Q?B=C3=BCcher?= <a@b.example>", "Bücher <a@b.example>"),
        ("=?UTF-8?B?SGFsbG8gV2VsdA==?= 1", "Hallo Welt 1"),
        ("=?iso-8859-1?q?a_=FC?=", "a ü"), ("=?utf-8*en?Q?x?=", "x"),
        // §6.2, §8: blanks between two encoded words are not shown.
        ("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"),
        ("(=?ISO-8859-1?Q?a?= b)", "(a b)"), ("=?utf-8?Q?a?= =?utf-8?Q?b?= c", "ab c"),
        // Not encoded words, or not to be read here.
        ("=?utf-8?Q?a b?=", "=?utf-8?Q?a b?="), ("=?utf-8?X?a?=", "=?utf-8?X?a?="),
        ("=?koi8-r?B?8NLJ18XU?=", "=?koi8-r?B?8NLJ18XU?="), ("=?utf-8?Q?=C3?=", "=?utf-8?Q?=C3?="),
        ("=?utf-8?Q?=ZZ?=", "=?utf-8?Q?=ZZ?="), ("=?utf-8?B?!!?=", "=?utf-8?B?!!?="),
        ("=?=?=?=?=?", "=?=?=?=?=?"), ("=?utf-8?Q?", "=?utf-8?Q?"), ("a =?", "a =?"),
    ])
    func decodes(text: String, expected: String) {
        #expect(EncodedWord.decoded(text) == expected)
    }
}
