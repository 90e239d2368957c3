package kubernetes_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgo "k8s.io/client-go/kubernetes"

	"github.com/bursar-dev/bursar/hack/parts/kubernetes"
)

var server *kubernetes.Server

// asParent makes this test binary a parent that starts a server in the directory
// it names, says so, and waits to be killed.
const asParent = "BURSAR_TEST_AS_PARENT_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(asParent); dir != "" {
		if _, err := kubernetes.Start(context.Background(), kubernetes.Options{Dir: dir}); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		fmt.Println("started")
		select {}
	}
	os.Exit(run(m))
}

func run(m *testing.M) int {
	var err error
	if server, err = kubernetes.Start(context.Background(), kubernetes.Options{}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := m.Run()
	if err := server.Stop(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

func kubectl(t *testing.T, user kubernetes.User, args ...string) (string, error) {
	t.Helper()
	kubeconfig := filepath.Join(t.TempDir(), "kubeconfig")
	if err := server.WriteKubeconfig(kubeconfig, user); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), server.Kubectl, append([]string{"--kubeconfig", kubeconfig}, args...)...).CombinedOutput()
	return string(out), err
}

func TestServesOurResources(t *testing.T) {
	out, err := kubectl(t, kubernetes.Administrator, "api-resources", "--api-group=bursar.dev", "-o", "name")
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	definitions, err := filepath.Glob("../../../config/crd/bases/*.yaml")
	if err != nil || len(definitions) == 0 {
		t.Fatalf("no definitions in config/crd/bases (%v)", err)
	}
	for _, definition := range definitions {
		plural := strings.TrimPrefix(strings.TrimSuffix(filepath.Base(definition), ".yaml"), "bursar.dev_")
		if !strings.Contains(out, plural+".bursar.dev\n") {
			t.Errorf("no %s among the resources:\n%s", plural, out)
		}
	}
}

// TestUsers: the API server knows a user by the name and groups we gave, and
// lets it do what RBAC says.
func TestUsers(t *testing.T) {
	config, err := server.ConfigOf(kubernetes.Manager)
	if err != nil {
		t.Fatal(err)
	}
	manager := clientgo.NewForConfigOrDie(config)
	review, err := manager.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := review.Status.UserInfo.Username, "system:serviceaccount:bursar-system:bursar-manager"; got != want {
		t.Errorf("the manager is %q, want %q", got, want)
	}
	groups := strings.Join(review.Status.UserInfo.Groups, " ")
	for _, want := range []string{"system:serviceaccounts", "system:serviceaccounts:bursar-system", "system:authenticated"} {
		if !strings.Contains(" "+groups+" ", " "+want+" ") {
			t.Errorf("the manager is in %s, not in %s", groups, want)
		}
	}

	_, err = manager.CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("the manager lists secrets: %v, want it forbidden", err)
	}
	administrator := clientgo.NewForConfigOrDie(server.Config)
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}
	if _, err := administrator.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Errorf("the administrator makes a namespace: %v", err)
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", t.TempDir())
	_, err := kubernetes.Start(t.Context(), kubernetes.Options{})
	if err == nil || !strings.Contains(err.Error(), "make tools") {
		t.Errorf("Start without the programs: %v, want an error that says to run make tools", err)
	}
}

func TestRoot(t *testing.T) {
	root, err := kubernetes.Root()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "hack", "parts", "kubernetes", "doc.go")); err != nil {
		t.Error(err)
	}
	t.Chdir(t.TempDir())
	if root, err := kubernetes.Root(); err == nil {
		t.Errorf("found a root, %s, outside of any checkout", root)
	}
}
