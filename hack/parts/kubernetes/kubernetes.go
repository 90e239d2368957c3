package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// startTimeout is how long each of etcd and the API server may take to start. A
// busy machine with two cores has needed half a minute.
const startTimeout = 2 * time.Minute

// Options say how the API server is run.
type Options struct {
	// Dir is where its files and its logs are kept, and left; what an earlier
	// server left there is forgotten. Empty means a new directory that Stop removes.
	Dir string
	// Audited are the users whose requests the server's AuditLog records.
	Audited []User
}

// Server is a running API server.
type Server struct {
	// Config is the configuration of a client that is a cluster administrator.
	Config *rest.Config
	// Kubectl is the path of a kubectl that fits the server.
	Kubectl string
	// AuditLog is the file with an audit.k8s.io/v1 Event per line, for each request of
	// the audited users.
	AuditLog string

	environment *envtest.Environment
	stopped     chan struct{}
	tempDir     string
}

// User is an identity for the API server.
type User struct {
	Name   string
	Groups []string
}

// Administrator may do everything.
var Administrator = User{Name: "admin", Groups: []string{"system:masters"}}

// ServiceAccount is the user that pods with the service account are.
func ServiceAccount(namespace, name string) User {
	return User{
		Name:   "system:serviceaccount:" + namespace + ":" + name,
		Groups: []string{"system:serviceaccounts", "system:serviceaccounts:" + namespace, "system:authenticated"},
	}
}

// Manager is the service account of Bursar's manager in a cluster. Once config/rbac is
// applied, it may do what that says, and no more.
var Manager = ServiceAccount("bursar-system", "bursar-manager")

// Console is the service account of the console. Once config/console/rbac.yaml is applied, it
// may do what that says, and no more.
var Console = ServiceAccount("bursar-system", "bursar-console")

// Start runs an API server and waits until it serves Bursar's resources. It
// cannot be interrupted: ctx is only checked at the beginning.
func Start(ctx context.Context, opts Options) (*Server, error) {
	if err := ctx.Err(); err != nil {
		return nil, context.Cause(ctx)
	}
	assets, err := Assets()
	if err != nil {
		return nil, err
	}
	root, err := Root()
	if err != nil {
		return nil, err
	}
	s := &Server{Kubectl: filepath.Join(assets, "kubectl"), stopped: make(chan struct{})}
	if opts.Dir == "" {
		if s.tempDir, err = os.MkdirTemp("", "bursar-kubernetes-"); err != nil {
			return nil, err
		}
		opts.Dir = s.tempDir
	} else if opts.Dir, err = filepath.Abs(opts.Dir); err != nil {
		return nil, err
	}
	logs, err := s.prepare(opts.Dir, assets, filepath.Join(root, "config", "crd", "bases"))
	if err == nil && len(opts.Audited) > 0 {
		err = s.audit(opts.Dir, opts.Audited)
	}
	if err == nil {
		err = s.start()
		logs.close() // The children have descriptors of their own.
	}
	if err != nil {
		err = fmt.Errorf("start the Kubernetes API server: %w; its logs, if any, ended with:\n%s", err, tails(opts.Dir))
		return nil, errors.Join(err, s.Stop())
	}
	return s, nil
}

// prepare says what to run and where, without running it.
func (s *Server) prepare(dir, assets, crds string) (logs openFiles, err error) {
	notExisting := false
	s.environment = &envtest.Environment{
		UseExistingCluster:       &notExisting,
		CRDDirectoryPaths:        []string{crds},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: startTimeout,
	}
	server := s.environment.ControlPlane.GetAPIServer()
	etcd := &envtest.Etcd{}
	s.environment.ControlPlane.Etcd = etcd
	s.environment.ControlPlane.KubectlPath = s.Kubectl

	if server.Path, err = launcher(dir, filepath.Join(assets, "kube-apiserver")); err != nil {
		return nil, err
	}
	if etcd.Path, err = launcher(dir, filepath.Join(assets, "etcd")); err != nil {
		return nil, err
	}
	if server.CertDir, err = emptyDir(dir, "certificates"); err != nil {
		return nil, err
	}
	if etcd.DataDir, err = emptyDir(dir, "etcd-data"); err != nil {
		return nil, err
	}
	serverLog, err := logs.create(dir, "kube-apiserver.log")
	if err != nil {
		return logs, err
	}
	etcdLog, err := logs.create(dir, "etcd.log")
	if err != nil {
		return logs, err
	}
	server.Out, server.Err = serverLog, serverLog
	etcd.Out, etcd.Err = etcdLog, etcdLog
	return logs, nil
}

// start starts the children from a thread that lives until they are stopped:
// when it ends, and with it or before it this program, launcher ends them.
func (s *Server) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		config, err := s.environment.Start()
		s.Config = config
		started <- err
		<-s.stopped
	}()
	return <-started
}

// launcher is a program that runs the given one so that it dies with the thread that
// started it, or the given one itself if that is not possible here. envtest has no
// option for that.
func launcher(dir, program string) (string, error) {
	setpriv, err := exec.LookPath("setpriv")
	if err != nil {
		return program, nil
	}
	bin := filepath.Join(dir, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(bin, filepath.Base(program))
	script := fmt.Sprintf("#!/bin/sh\necho $$ >%s\nexec %s --pdeathsig KILL %s \"$@\"\n", quote(path+pidSuffix), quote(setpriv), quote(program))
	return path, os.WriteFile(path, []byte(script), 0o755)
}

// pidSuffix ends the name of the file with the process ID of what a launcher runs.
const pidSuffix = ".pid"

// Pause makes the API server hang, until Resume.
func (s *Server) Pause() error { return s.signal(syscall.SIGSTOP) }

// Resume lets the API server go on.
func (s *Server) Resume() error { return s.signal(syscall.SIGCONT) }

func (s *Server) signal(signal syscall.Signal) error {
	content, err := os.ReadFile(s.environment.ControlPlane.GetAPIServer().Path + pidSuffix)
	if err != nil {
		return fmt.Errorf("the process of the API server is not known, as without setpriv: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil {
		return fmt.Errorf("the process of the API server: %w", err)
	}
	return syscall.Kill(pid, signal)
}

// quote writes s as one word of the shell.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

func emptyDir(parts ...string) (string, error) {
	dir := filepath.Join(parts...)
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o755)
}

type openFiles []*os.File

func (files *openFiles) create(dir, name string) (*os.File, error) {
	file, err := os.Create(filepath.Join(dir, name))
	if err == nil {
		*files = append(*files, file)
	}
	return file, err
}

func (files openFiles) close() {
	for _, file := range files {
		_ = file.Close() // Nothing was written through it here.
	}
}

// tails are the last lines of the logs in dir.
func tails(dir string) string {
	var all strings.Builder
	for _, name := range []string{"etcd.log", "kube-apiserver.log"} {
		content, _ := os.ReadFile(filepath.Join(dir, name))
		lines := strings.Split(strings.TrimSpace(string(content)), "\n")
		fmt.Fprintf(&all, "%s: %s\n", name, strings.Join(lines[max(0, len(lines)-10):], "\n"))
	}
	return all.String()
}

// ConfigOf is the configuration of a client that is the user.
func (s *Server) ConfigOf(user User) (*rest.Config, error) {
	added, err := s.add(user)
	if err != nil {
		return nil, err
	}
	return added.Config(), nil
}

// WriteKubeconfig writes a kubeconfig file for the user.
func (s *Server) WriteKubeconfig(path string, user User) error {
	added, err := s.add(user)
	if err != nil {
		return err
	}
	content, err := added.KubeConfig()
	if err != nil {
		return fmt.Errorf("kubeconfig of %s: %w", user.Name, err)
	}
	return os.WriteFile(path, content, 0o600)
}

func (s *Server) add(user User) (*envtest.AuthenticatedUser, error) {
	added, err := s.environment.AddUser(envtest.User{Name: user.Name, Groups: user.Groups}, &rest.Config{QPS: 1000, Burst: 2000})
	if err != nil {
		return nil, fmt.Errorf("make user %s: %w", user.Name, err)
	}
	return added, nil
}

// Stop ends the API server and its etcd and waits until they have ended. Call it
// once, after the managers and clients that use the server: it waits for their
// requests.
func (s *Server) Stop() error {
	var errs []error
	if s.environment != nil {
		errs = append(errs, s.environment.Stop())
	}
	close(s.stopped)
	if s.tempDir != "" {
		errs = append(errs, os.RemoveAll(s.tempDir))
	}
	return errors.Join(errs...)
}
