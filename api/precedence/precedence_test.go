package precedence_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/bursar-dev/bursar/api/precedence"
)

func TestCompare(t *testing.T) {
	object := func(age time.Duration, namespace, name string) *metav1.ObjectMeta {
		return &metav1.ObjectMeta{Namespace: namespace, Name: name, CreationTimestamp: metav1.NewTime(time.Unix(1e9, 0).Add(-age))}
	}
	rivals := []*metav1.ObjectMeta{
		object(0, "a", "a"),
		object(time.Second, "b", "a"),
		object(time.Second, "a", "z"),
		object(time.Hour, "z", "z"),
		object(time.Second, "a", "b"),
	}
	slices.SortFunc(rivals, func(a, b *metav1.ObjectMeta) int { return precedence.Compare(a, b) })
	var got []string
	for _, rival := range rivals {
		got = append(got, rival.Namespace+"/"+rival.Name)
	}
	if diff := cmp.Diff([]string{"z/z", "a/b", "a/z", "b/a", "a/a"}, got); diff != "" {
		t.Errorf("order (-want +got):\n%s", diff)
	}
}
