import Testing

@testable import Settings

@Suite struct IntakeListenerTests {
    private func problems(_ text: String) -> [String] {
        do {
            _ = try Configuration.load(text: text, file: "/s.toml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func listeners() throws {
        let intake = try Configuration.load(
            text: """
                [intake]
                listen = []
                [[intake.listener]]
                listen = "127.0.0.1:2526"
                priority = "high"
                """, file: "/s.toml"
        ).intake
        #expect(intake.endpoints.map(\.description) == ["127.0.0.1:2526"])
        #expect(intake.listeners[0].priority == 2)
        #expect(intake.listeners[0].priorityHeaders == nil)
        #expect(Configuration().intake.endpoints == Configuration().intake.listen)
    }

    @Test(arguments: [
        ("[intake]\nlisten = []", "no address to listen on"),
        ("[intake]\npriority = 5", "expected a priority from -3 to 4"),
        ("[intake]\npriority = \"hihg\"", "did you mean \"high\"?"),
        ("[intake]\npriority_headers = [\"X-Prioritty\"]", "did you mean \"X-Priority\"?"),
        ("[[intake.listener]]\npriority = 1", "needs listen: an address"),
        (
            "[[intake.listener]]\nlisten = \"127.0.0.1:2525\"",
            "127.0.0.1:2525 is listened on already"
        ),
        (
            "[[intake.listener]]\nlisten = \"127.0.0.1:2526\"\nprioriti = 1",
            "did you mean \"priority\"?"
        ),
        (
            "[[intake.listener]]\nlisten = \"127.0.0.1:2526\"\n[routing]\nstatic = { \"*\" ="
                + " \"127.0.0.1:2526\" }", "the mail would go in circles"
        ),
    ])
    func mistakes(_ text: String, _ complaint: String) {
        let found = problems(text)
        #expect(found.count == 1, "\(found)")
        #expect(found.first?.contains(complaint) == true, "\(found)")
        #expect(found.first?.hasPrefix("/s.toml:") == true)
    }
}
