package process

import "syscall"

// capDacOverride is CAP_DAC_OVERRIDE of capabilities(7).
const capDacOverride = 1

func attributes(opts Options) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: opts.StopSignal}
	if opts.User != nil {
		attr.Credential = &syscall.Credential{Uid: opts.User.UID, Gid: opts.User.GID}
		// Root's checkout may be in a directory that the other user may not enter
		// (/root), but the child must find its files there.
		attr.AmbientCaps = []uintptr{capDacOverride}
	}
	return attr
}
