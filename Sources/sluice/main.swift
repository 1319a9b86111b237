import Commands
import Control
import NIOCore

#if canImport(Darwin)
import Darwin
#else
import Glibc
#endif

let arguments = CommandLine.arguments
let program = SendmailOptions.programName(arguments.first ?? "")

// One connection at a time needs one thread; the demo runs a small Internet and takes what there
// is.
if arguments.dropFirst().first != "demo" { NIOSingletons.groupLoopCountSuggestion = 1 }

let status =
    SendmailOptions.programNames.contains(program)
    ? await Sendmail.run(program, Array(arguments.dropFirst()), Console.standard())
    : await Sluice.run(Array(arguments.dropFirst()), Console.standard())
ControlClient.endTunnels()
exit(status)
