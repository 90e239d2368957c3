//go:build !linux

package process

import "syscall"

// attributes has no death signal to set here: a program that is killed on this
// system leaves its children behind.
func attributes(opts Options) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setpgid: true}
	if opts.User != nil {
		attr.Credential = &syscall.Credential{Uid: opts.User.UID, Gid: opts.User.GID}
	}
	return attr
}
