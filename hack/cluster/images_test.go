package cluster_test

import (
	"os"
	"path/filepath"
	"slices"

	. "github.com/onsi/gomega"

	"github.com/bursar-dev/bursar/hack/parts/cluster"
)

// The images besides Bursar's own, which run.sh has made. They have this machine's programs, and
// the names that they would have in a registry.
const (
	toolsImage    = "docker.io/library/tools:e2e"
	redisImage    = "docker.io/library/redis:e2e"
	postgresImage = "docker.io/library/postgres:e2e"
	providerImage = "docker.io/library/fakeprovider:e2e"

	prometheusImage = "docker.io/library/prometheus:e2e"
	// Those that the manifests of the Prometheus Operator name.
	operatorImage = "quay.io/prometheus-operator/prometheus-operator:v0.88.0"
	reloaderImage = "quay.io/prometheus-operator/prometheus-config-reloader:v0.88.0"
)

// makeImages makes the images, and returns the archives of all that nodes are to have.
func makeImages() (archives []string) {
	postgres, err := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	Expect(err).NotTo(HaveOccurred())
	Expect(postgres).NotTo(BeEmpty(), "there is no Postgres: run make parts")
	programs := filepath.Dir(slices.Max(postgres))
	home := filepath.Dir(programs)
	version := filepath.Base(home)

	images := []cluster.Image{
		withTools(cluster.Image{Name: toolsImage, Command: []string{"sleep", "infinity"}}),
		withTools(cluster.Image{Name: redisImage, Files: map[string]string{"/usr/bin/redis-server": "/usr/bin/redis-server"}}),
		{
			Name: providerImage, Entrypoint: []string{"/fakeprovider"},
			Files: map[string]string{"/fakeprovider": filepath.Join(bin, "hack", "fakeprovider")},
		},
		withTools(cluster.Image{
			Name: postgresImage, Entrypoint: []string{"/entrypoint"},
			Env: []string{"PATH=" + programs + ":/usr/bin:/bin"},
			Files: map[string]string{
				programs: programs, filepath.Join(home, "lib"): filepath.Join(home, "lib"),
				"/usr/share/postgresql/" + version: "/usr/share/postgresql/" + version,
				"/usr/share/zoneinfo":              "/usr/share/zoneinfo",
			},
			Texts: map[string]string{
				"/entrypoint": read("hack/cluster/testdata/postgres-entrypoint.sh"),
				"/etc/passwd": "postgres:x:999:999::/tmp:/bin/sh\n",
			},
		}),
	}
	for name, program := range map[string]string{
		prometheusImage: "prometheus", operatorImage: "prometheus-operator", reloaderImage: "prometheus-config-reloader",
	} {
		images = append(images, cluster.Image{
			Name: name, Entrypoint: []string{"/bin/" + program}, Files: map[string]string{"/bin/" + program: filepath.Join(tools, program)},
		})
	}
	for _, image := range images {
		archive := filepath.Join(work, filepath.Base(image.Name)+".tar")
		Expect(image.Write(archive)).To(Succeed())
		archives = append(archives, archive)
	}
	ours, err := filepath.Glob(".dev/e2e/*/images/*.tar")
	Expect(err).NotTo(HaveOccurred())
	Expect(ours).NotTo(BeEmpty(), "there are no images of Bursar: run make e2e")
	return append(archives, ours...)
}

// withTools adds a shell and its tools.
func withTools(image cluster.Image) cluster.Image {
	if image.Files == nil {
		image.Files = map[string]string{}
	}
	image.Files["/bin/busybox"] = filepath.Join(os.Getenv("BURSAR_E2E_DEBIAN"), "root", "bin", "busybox")
	image.Links = map[string]string{}
	for _, tool := range []string{"sh", "cat", "echo", "grep", "httpd", "id", "ls", "mkdir", "printf", "rm", "sleep", "wget"} {
		image.Links["/bin/"+tool] = "/bin/busybox"
	}
	return image
}
