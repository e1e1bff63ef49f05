package deploy_test

import (
	"encoding/json"
	"maps"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"denwa/config"
	"denwa/providers/providertest"
)

// object is one of Kubernetes', as far as these tests read it.
type object struct {
	APIVersion string `json:"apiVersion"`
	Kind       string
	Metadata   struct{ Name, Namespace string }
	Data       map[string]string
	Spec       struct {
		Selector       json.RawMessage
		PodSelector    labels `json:"podSelector"`
		MinReplicas    int    `json:"minReplicas"`
		Replicas       *int
		ScaleTargetRef struct{ Kind, Name string } `json:"scaleTargetRef"`
		Template       struct {
			Metadata struct{ Labels, Annotations map[string]string }
			Spec     podSpec
		}
		Ports []struct {
			Port       int
			TargetPort any `json:"targetPort"`
		}
		Ingress []struct{ Ports []struct{ Port int } }
	}
}

type labels struct {
	MatchLabels map[string]string `json:"matchLabels"`
}

type podSpec struct {
	TerminationGracePeriodSeconds int            `json:"terminationGracePeriodSeconds"`
	SecurityContext               map[string]any `json:"securityContext"`
	TopologySpreadConstraints     []struct {
		LabelSelector labels `json:"labelSelector"`
	} `json:"topologySpreadConstraints"`
	Containers []struct {
		Image string
		Ports []struct {
			Name          string
			ContainerPort int `json:"containerPort"`
		}
		Env             []struct{ Name, Value string }
		VolumeMounts    []struct{ Name, MountPath string } `json:"volumeMounts"`
		LivenessProbe   probe                              `json:"livenessProbe"`
		ReadinessProbe  probe                              `json:"readinessProbe"`
		StartupProbe    probe                              `json:"startupProbe"`
		Resources       struct{ Requests, Limits map[string]string }
		SecurityContext map[string]any `json:"securityContext"`
	}
	Volumes []struct {
		Name      string
		ConfigMap struct{ Name string }       `json:"configMap"`
		Secret    struct{ SecretName string } `json:"secret"`
	}
}

type probe struct {
	HTTPGet struct{ Path, Port string } `json:"httpGet"`
}

// kustomize builds a folder, checks each object against Kubernetes' schema, and
// returns them by kind and name.
func kustomize(t *testing.T, folder string) map[string]object {
	t.Helper()
	tools, err := filepath.Glob("../.tools/*/kustomize")
	if err != nil || len(tools) == 0 {
		providertest.Missing(t, "kustomize (make .tools builds it)")
	}
	out, err := exec.Command(tools[len(tools)-1], "build", folder).Output()
	if err != nil {
		t.Fatalf("kustomize build %s: %v", folder, err)
	}
	kinds := as[struct{ Kinds map[string]string }](t, documents(t, "kubernetes.json", read(t, "testdata/schema/kubernetes.json"))[0]).Kinds
	objects := map[string]object{}
	for _, document := range documents(t, folder, string(out)) {
		o := as[object](t, document)
		name := kinds[o.APIVersion+" "+o.Kind]
		if name == "" {
			t.Errorf("no schema of %s %s", o.APIVersion, o.Kind)
			continue
		}
		if err := schema(t, "kubernetes.json", "#/$defs/"+name).Validate(document); err != nil {
			t.Errorf("%s %s: %v", o.Kind, o.Metadata.Name, err)
		}
		if o.Metadata.Namespace != "denwa" && o.Kind != "Namespace" {
			t.Errorf("%s %s is in namespace %q", o.Kind, o.Metadata.Name, o.Metadata.Namespace)
		}
		if o.Kind == "ConfigMap" { // the end of its name is a hash
			o.Metadata.Name, _, _ = strings.Cut(o.Metadata.Name, "-")
		}
		objects[o.Kind+" "+o.Metadata.Name] = o
	}
	return objects
}

func TestKubernetes(t *testing.T) {
	objects := kustomize(t, "kubernetes/base")
	// Kustomize makes the ConfigMap of this file.
	settings := load(t, "kubernetes/base/denwa.yaml", "DENWA_PROVIDERS_0_AUTH_TOKEN=0123456789abcdef0123456789abcdef")
	pod := objects["Deployment denwa"].Spec.Template
	container := pod.Spec.Containers[0]

	t.Run("selectors", func(t *testing.T) {
		selected := map[string]map[string]string{
			"NetworkPolicy": objects["NetworkPolicy denwa"].Spec.PodSelector.MatchLabels,
			"Deployment":    raw[labels](t, objects["Deployment denwa"].Spec.Selector).MatchLabels,
			"disruption":    raw[labels](t, objects["PodDisruptionBudget denwa"].Spec.Selector).MatchLabels,
			"Service":       raw[map[string]string](t, objects["Service denwa"].Spec.Selector),
		}
		for i, c := range pod.Spec.TopologySpreadConstraints {
			selected["spread "+strconv.Itoa(i)] = c.LabelSelector.MatchLabels
		}
		for what, labels := range selected {
			if !maps.Equal(labels, pod.Metadata.Labels) {
				t.Errorf("%s selects %v, the pod has %v", what, labels, pod.Metadata.Labels)
			}
		}
		hpa := objects["HorizontalPodAutoscaler denwa"].Spec
		if hpa.ScaleTargetRef.Kind != "Deployment" || hpa.ScaleTargetRef.Name != "denwa" || hpa.MinReplicas < 2 {
			t.Errorf("autoscaler: %+v", hpa.ScaleTargetRef)
		}
		if objects["Deployment denwa"].Spec.Replicas != nil {
			t.Error("replicas are the autoscaler's")
		}
	})
	t.Run("ports", func(t *testing.T) {
		public, admin := portOf(t, settings.Server.Listen), portOf(t, settings.Admin.Listen)
		ports := map[string]int{}
		for _, p := range container.Ports {
			ports[p.Name] = p.ContainerPort
		}
		if !maps.Equal(ports, map[string]int{"public": public, "admin": admin}) || pod.Metadata.Annotations["prometheus.io/port"] != strconv.Itoa(admin) {
			t.Errorf("ports %v, annotations %v", ports, pod.Metadata.Annotations)
		}
		policy := objects["NetworkPolicy denwa"].Spec.Ingress
		if policy[0].Ports[0].Port != public || policy[1].Ports[0].Port != admin {
			t.Errorf("network policy: %+v", policy)
		}
		if s := objects["Service denwa"].Spec.Ports; len(s) != 1 || s[0].TargetPort != "public" {
			t.Errorf("service: %+v", s)
		}
		for path, p := range map[string]probe{"/healthz": container.LivenessProbe, "/readyz?exclude=providers": container.ReadinessProbe} {
			if p.HTTPGet.Path != path || p.HTTPGet.Port != "admin" {
				t.Errorf("probe %+v, want %s", p, path)
			}
		}
		if container.StartupProbe.HTTPGet.Path != "/healthz" {
			t.Error("a start must not wait for Redis")
		}
	})
	t.Run("times and sizes", func(t *testing.T) {
		grace := time.Duration(pod.Spec.TerminationGracePeriodSeconds) * time.Second
		if grace < stopping(settings) || settings.Server.ShutdownDelay < 5*time.Second {
			t.Errorf("stopping takes %s, of which load balancers get %s; the pod has %s", stopping(settings), settings.Server.ShutdownDelay, grace)
		}
		if e := container.Env[0]; e.Name != "GOMEMLIMIT" {
			t.Errorf("variable %s", e.Name)
		}
		checkMemory(t, bytesOf(t, container.Env[0].Value), bytesOf(t, container.Resources.Limits["memory"]))
	})
	t.Run("secrets", func(t *testing.T) {
		// They are made by hand: README.md says how, file by file.
		how := read(t, "README.md")
		for _, file := range []string{"master", "twilio"} {
			if !strings.Contains(read(t, "kubernetes/base/denwa.yaml"), "_file: /run/secrets/denwa/"+file+"\n") ||
				!strings.Contains(how, "--from-file="+file+"=") {
				t.Errorf("secret %s: denwa.yaml and README.md must name it", file)
			}
		}
		if container.VolumeMounts[1].MountPath != "/run/secrets/denwa" || pod.Spec.Volumes[1].Secret.SecretName != "denwa" ||
			container.VolumeMounts[0].MountPath != "/etc/denwa" {
			t.Errorf("mounted: %+v", container.VolumeMounts)
		}
	})
	t.Run("security", func(t *testing.T) {
		for key, want := range map[string]any{"runAsNonRoot": true, "runAsUser": 65532.0, "runAsGroup": 65532.0} {
			if pod.Spec.SecurityContext[key] != want {
				t.Errorf("%s is %v", key, pod.Spec.SecurityContext[key])
			}
		}
		for key, want := range map[string]any{"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true} {
			if container.SecurityContext[key] != want {
				t.Errorf("%s is %v", key, container.SecurityContext[key])
			}
		}
	})
}

func TestKubernetesWithRedis(t *testing.T) {
	objects := kustomize(t, "kubernetes/with-redis")
	redis := objects["StatefulSet redis"].Spec.Template
	settings := load(t, "kubernetes/base/denwa.yaml", "DENWA_PROVIDERS_0_AUTH_TOKEN=0123456789abcdef0123456789abcdef")
	host, port, _ := net.SplitHostPort(settings.Store.Addresses[0])
	service := objects["Service "+host].Spec
	if len(service.Ports) != 1 || strconv.Itoa(service.Ports[0].Port) != port {
		t.Errorf("the store is at %s, the service has %+v", settings.Store.Addresses[0], service.Ports)
	}
	for what, selected := range map[string]map[string]string{
		"Service":       raw[map[string]string](t, service.Selector),
		"StatefulSet":   raw[labels](t, objects["StatefulSet redis"].Spec.Selector).MatchLabels,
		"NetworkPolicy": objects["NetworkPolicy redis"].Spec.PodSelector.MatchLabels,
	} {
		if !maps.Equal(selected, redis.Metadata.Labels) {
			t.Errorf("%s selects %v, the pod has %v", what, selected, redis.Metadata.Labels)
		}
	}
	var compose composeFile
	into(t, "compose/compose.yaml", &compose)
	if image := redis.Spec.Containers[0].Image; image != compose.Services["redis"].Image {
		t.Errorf("image %s here, %s in compose", image, compose.Services["redis"].Image)
	}
}

func portOf(t *testing.T, listen string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	d := config.Default()
	if !strings.HasSuffix(d.Server.Listen, ":"+port) && !strings.HasSuffix(d.Admin.Listen, ":"+port) {
		t.Errorf("port %s isn't a default: keep to those", port)
	}
	return n
}

func raw[T any](t *testing.T, text json.RawMessage) (value T) {
	t.Helper()
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	return value
}
