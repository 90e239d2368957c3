package setup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/google/uuid"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
)

// lease is the Lease that the leader holds, as one manager sees it.
type lease struct {
	// elected is for the leader election alone, and read for everything else: a LeaseLock
	// is not safe for concurrent use.
	elected, read resourcelock.LeaseLock
}

func newLease(cluster *rest.Config, options Options) (*lease, error) {
	namespace := cmp.Or(options.LeaderElectionNamespace, options.Namespace)
	if options.LeaderElection && namespace == "" {
		return nil, errors.New("its namespace is unknown: set --leader-elect-namespace")
	}
	host, err := os.Hostname()
	if err != nil {
		return nil, err
	}
	cluster = rest.AddUserAgent(rest.CopyConfig(cluster), "leader-election")
	cluster.Timeout = renewDeadline / 2 // so that a request that hangs can be repeated
	client, err := coordinationv1.NewForConfig(cluster)
	if err != nil {
		return nil, err
	}
	lock := resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: namespace, Name: leaseName},
		Client:     client,
		LockConfig: resourcelock.ResourceLockConfig{Identity: host + "_" + uuid.NewString()},
	}
	return &lease{elected: lock, read: lock}, nil
}

// Held fails unless this manager holds the Lease, as the API server has it. A Lease
// that was not renewed in time still counts as held until another manager takes it.
func (l *lease) Held(ctx context.Context) error {
	record, _, err := l.read.Get(ctx)
	if err != nil {
		return fmt.Errorf("read the holder of the Lease: %w", err)
	}
	if record.HolderIdentity != l.read.Identity() {
		return fmt.Errorf("%s is not the leader: the Lease %s/%s is held by %q", l.read.Identity(), l.read.LeaseMeta.Namespace, leaseName, record.HolderIdentity)
	}
	return nil
}
