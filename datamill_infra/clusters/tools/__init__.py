"""Providers that call a tool of their own: kind, k3d, minikube, microk8s."""
