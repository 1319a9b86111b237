import Control
import DatabaseServer
import Foundation
import Glibc
import PostgreSQL
import SharedSpool
import Testing

@testable import Testbed

extension Integration {
    /// `sluice spool move`, killed and run again, between daemons.
    @Suite struct MoveTests {
        @Test func thereAndBackWithAKillBetween() async throws {
            try await withScene { scene in
                let server = try DatabaseServer.shared.get()
                let database = try server.createDatabase()
                let receiver = try await scene.receiver("mx", keep: .deliveries)
                var settings = DaemonSettings()
                settings.routes = ["a.test": receiver.route]
                let daemon = try await scene.daemon(settings)
                try await scene.prepare(daemon, domain: "a.test")
                try await scene.send(TestMail.many(1500, domain: "a.test"), to: daemon.port)
                let directory = daemon.dataDirectory
                let arguments = ["spool", "move", "--from", directory, "--to", database.url]
                let used = try await Program.run(try Program.sluice, arguments)
                #expect(used.status == 1 && used.errors.contains("spool-in-use"), "\(used)")
                try await daemon.end(SIGTERM)

                let gate = try Self.holdUp(database)
                let first = try scene.process(try Program.sluice, arguments, log: "move.log")
                try await waitUntil("it has moved some") {
                    contents(scene.directory.file("move.log")).contains("of 1500 messages")
                }
                kill(first.pid, SIGKILL)
                _ = try await eventually("it has ended") { first.ending }
                // What it had sent takes effect after its death.
                _ = try gate.run("SELECT pg_advisory_unlock(42)", within: .seconds(600))
                try server.execute("DROP TRIGGER gate ON sluice.bodies", in: database)
                let (ending, said) = try await daemon.startInVain()
                #expect(ending == .exit(1) && said.contains("sluice spool move"), "\(said)")

                let second = try await Program.run(try Program.sluice, arguments)
                #expect(second.status == 0, "\(second)")
                settings.more = "[spool]\nurl = \"\(database.url)\""
                try daemon.configure(settings)
                try await daemon.start()
                #expect(try await daemon.control.messages().total == 1500)
                let id = try await daemon.destination("a.test").id
                // Paused as it was.
                #expect(receiver.statistics.messages == 1)
                try await daemon.end(SIGTERM)

                let back = try await Program.run(
                    try Program.sluice,
                    ["spool", "move", "--from", database.url, "--to", directory])
                #expect(back.status == 0, "\(back)")
                settings.more = ""
                try daemon.configure(settings)
                try await daemon.start()
                #expect(try await daemon.control.messages().total == 1500)
                try await daemon.act(.resume, Selector(destinations: [id]))
                try await daemon.awaitEmptyQueue()
                #expect(receiver.statistics.deliveries.count == 1501)
                #expect(receiver.statistics.deliveries.values.allSatisfy { $0 == 1 })
            }
        }

        /// Lets the first batch of a move into the database, and the next one only when the session
        /// that is returned gives up its lock.
        private static func holdUp(_ database: DatabaseAddress) throws -> Connection {
            try PostgreSQLSpool(database).close()
            let gate = try Connection(database)
            for sql in [
                "SELECT pg_advisory_lock(42)",
                """
                CREATE FUNCTION public.gate() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                    IF (SELECT count(*) FROM sluice.bodies) >= 500 THEN
                        PERFORM pg_advisory_xact_lock(42);
                    END IF;
                    RETURN NULL;
                END $$
                """,
                """
                CREATE TRIGGER gate BEFORE INSERT ON sluice.bodies
                    FOR EACH STATEMENT EXECUTE FUNCTION public.gate()
                """,
            ] { _ = try gate.run(sql, within: .seconds(600)) }
            return gate
        }

        @Test func mistakes() async throws {
            try await withScene { scene in
                let empty = scene.directory.file("empty")
                mkdir(empty, 0o700)
                for (from, to, status, text) in [
                    (empty, "postgresql://x/y?sslmod=1", 2, "sslmod"),
                    (empty, empty, 2, "the same"),
                    (empty, scene.directory.file("none"), 1, "there is no spool here"),
                ] {
                    let result = try await Program.run(
                        try Program.sluice, ["spool", "move", "--from", from, "--to", to])
                    #expect(result.status == status, "\(result)")
                    #expect(result.errors.contains(text), "\(result)")
                }
            }
        }
    }
}
