import Glibc

/// How many files and connections this process may have open.
package enum DescriptorLimit {
    /// Raises the soft limit to the hard one (getrlimit(2)): the usual 1024 is for programs that
    /// use select(2). Children inherit it. What holds then.
    @discardableResult
    package static func raise() -> Int {
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        var limit = rlimit()
        guard getrlimit(resource, &limit) == 0 else { return 1024 }
        if limit.rlim_cur < limit.rlim_max {
            var raised = limit
            raised.rlim_cur = limit.rlim_max
            if setrlimit(resource, &raised) == 0 { limit = raised }
        }
        return Int(clamping: limit.rlim_cur)
    }
}
