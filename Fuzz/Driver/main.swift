import CLibFuzzer
import FuzzTargets

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif

// fuzz --list
// fuzz TARGET [-OPTION=VALUE …] [CORPUS …]: libFuzzer's options and folders.

let names = FuzzTarget.all.map(\.name)
guard CommandLine.arguments.count > 1, CommandLine.arguments[1] != "--list" else {
    for target in FuzzTarget.all { print(target.name, target.maximumLength) }
    exit(0)
}
guard let index = names.firstIndex(of: CommandLine.arguments[1]) else {
    print(
        "fuzz: no target '\(CommandLine.arguments[1])'; there are \(names.joined(separator: " "))")
    exit(2)
}

/// libFuzzer calls a C function, which can capture nothing.
let target = FuzzTarget.all[index]

var count = CommandLine.argc - 1
var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv + 1
CommandLine.unsafeArgv[1] = CommandLine.unsafeArgv[0]
let status = LLVMFuzzerRunDriver(&count, &arguments) { data, size in
    do {
        try target.check(Array(UnsafeBufferPointer(start: data, count: size)))
    } catch {
        fatalError("\(target.name): \(error)")
    }
    return 0
}
exit(status)
