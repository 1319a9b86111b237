import Commands
import Testing

struct ManualTests {
    private static let dump = """
        {"command": {"abstract": "Shows it.", "commandName": "sluice",
         "discussion": "First … \\n\\n.Second\\\\ ~ line",
         "arguments": [
          {"kind": "flag", "names": [{"kind": "short", "name": "h"}, {"kind": "long", "name": "help"}],
           "abstract": "Show help.", "isOptional": true, "isRepeating": false}],
         "subcommands": [
          {"commandName": "retry", "abstract": "Retry now.", "arguments": [
            {"kind": "positional", "valueName": "selector", "abstract": "What.",
             "isOptional": false, "isRepeating": false},
            {"kind": "option", "valueName": "n", "abstract": "How many.", "defaultValue": "100",
             "names": [{"kind": "short", "name": "n"}, {"kind": "long", "name": "limit"}],
             "isOptional": true, "isRepeating": true}]},
          {"commandName": "manual", "shouldDisplay": false}]},
         "serializationVersion": 0}
        """

    @Test func aProgramsPageIsMadeFromItsHelp() throws {
        let keys = [
            ManualPage.KeyRow(group: "Act", name: "retry", keys: "F", help: "retry now"),
            ManualPage.KeyRow(group: "Look", name: "theme", keys: "", help: "choose a look"),
        ]
        let page = try ManualPage.sluice.text(from: Self.dump, keys: keys)
        #expect(page.hasPrefix(".TH \"SLUICE\" \"1\""))
        #expect(page.contains(".SS \"sluice retry <selector> [\\-\\-limit <n>]\"\nRetry now.\n"))
        #expect(page.contains(".TP\n\\fB\\-n, \\-\\-limit <n>\\fR\nHow many. Default: 100.\n"))
        #expect(page.contains(".SS \"Act\"\n.TP\n\\fBF\\fR\nretry now (retry)\n"))
        #expect(page.contains("\\fB:theme\\fR"))
        // Hidden commands and what every command has are left out.
        #expect(!page.contains("manual"))
        #expect(!page.contains("Show help"))
        #expect(page.contains("First \\[u2026]"))
        #expect(page.utf8.allSatisfy { $0 < 0x80 })
        // Nothing in a text is a request to the formatter.
        #expect(page.contains("\n\\&.Second\\e \\(ti line\n"))
    }

    @Test func theConfigurationsPageIsMadeFromItsFile() throws {
        let page = try ManualPage.configuration.text(
            from: """
                # All of it.
                #
                # Durations: "5s".

                # Its name.
                #hostname = "mta1"

                # --- Mail that comes in ---------
                [intake]
                # Who may.
                #allow = []
                #max = 5
                """)
        #expect(page.contains(".PP\nAll of it.\n.PP\nDurations: \"5s\".\n"))
        #expect(page.contains(".nf\n.RS\nhostname = \"mta1\"\n.RE\n.fi\nIts name.\n"))
        #expect(page.contains(".SS \"Mail that comes in\"\n"))
        #expect(page.contains("allow = []\nmax = 5\n.RE\n.fi\nWho may.\n"))
    }

    @Test func whatIsNoHelpIsRefused() {
        #expect(throws: (any Error).self) { try ManualPage.sluiced.text(from: "no JSON") }
    }
}
