import Glibc

/// Everything a demonstration has on disk: configuration, spool, control socket and log, in one
/// temporary directory.
package struct DemoDirectory: Sendable {
    private let directory: TemporaryDirectory
    /// Where the daemon takes mail: a port of 127.0.0.1.
    package let intakePort: Int

    package var path: String { directory.path }
    package var configuration: String { directory.file("sluice.toml") }
    package var controlSocket: String { directory.file("control.sock") }
    package var log: String { directory.file("sluiced.log") }

    /// Makes the directory and writes the configuration.
    package init(routes: [(domain: String, route: String)]) throws {
        directory = try TemporaryDirectory(prefix: "sluice-demo")
        do {
            intakePort = try PortReservation.freePort()
            guard mkdir(directory.file("data"), 0o700) == 0 else {
                throw TestbedError.system("mkdir", errno)
            }
            try write(
                Self.configuration(
                    dataDirectory: directory.file("data"),
                    controlSocket: directory.file("control.sock"), intakePort: intakePort,
                    routes: routes),
                to: directory.file("sluice.toml"))
        } catch {
            directory.remove()
            throw error
        }
    }

    package func remove() { directory.remove() }

    /// The demonstration's sluice.toml. Its times are seconds where an operator would write
    /// minutes, so that a newcomer sees every timer run out.
    package static func configuration(
        dataDirectory: String, controlSocket: String, intakePort: Int,
        routes: [(domain: String, route: String)]
    ) -> String {
        """
        # Written by `sluice demo`; removed when it ends.
        hostname = "mta1.sluice.test"
        data_dir = "\(dataDirectory)"
        control_socket = "\(controlSocket)"
        workers = 3

        [intake]
        listen = ["127.0.0.1:\(intakePort)"]
        allow = ["127.0.0.0/8"]

        [limits]
        concurrency = 10
        rate = "20/s"
        burst = 40

        [[shaping]]
        match = "gmail.test"
        concurrency = 20
        rate = "15/s"
        burst = 60

        [[shaping]]
        match = "outlook.test"
        rate = "11/s"
        burst = 40

        [[shaping]]
        match = "yahoo.test"
        concurrency = 5
        rate = "9/s"
        burst = 30

        [[shaping]]
        match = "*.example"
        concurrency = 3
        rate = "2/s"
        burst = 5

        [retry]
        max_age = "10m"
        first = "15s"
        cap = "2m"
        breaker_first = "10s"
        breaker_cap = "1m"

        [supervision]
        shutdown_timeout = "3s"

        [routing]
        group_by = "mx-address"

        [routing.static]

        """ + routes.map { "\"\($0.domain)\" = \"\($0.route)\"\n" }.joined()
    }
}
