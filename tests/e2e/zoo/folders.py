"""Builds the shops of each language from its committed manifests, under .cache/ by their hash; made once."""

import shutil
import sys
from pathlib import Path

from parts.build import CACHE, _alone, _digest, _need, _run, go_build

ZOO = Path(__file__).resolve().parent
GO_PROGRAMS = ("http", "grpc")
GO_SOURCES = ("go.mod", "go.sum", "spans/spans.go", *(f"{program}/main.go" for program in GO_PROGRAMS))
JAVA_SOURCES = ("pom.xml", "src/main/java/zoo/Shop.java")
JAVA_WANTS = {
    "javac": "install a JDK, 17 or newer (Debian: openjdk-17-jdk-headless; macOS: brew install openjdk@17)",
    "mvn": "install Maven 3.8 or newer (Debian: maven; macOS: brew install maven)",
}


def python_folder() -> Path:
    """A folder with the Python shops and a virtual environment from the lock file."""
    source = ZOO / "python"
    folder = CACHE / f"zoo-python-{_digest(source, ('requirements.lock',))}"
    with _alone(folder):
        if not (folder / "ready").exists():
            _run([sys.executable, "-m", "venv", str(folder / "venv")], folder, {})
            _run([str(folder / "venv/bin/pip"), "install", "-q", "-r", str(source / "requirements.lock")], folder, {})
            (folder / "ready").touch()
        for script in source.glob("*.py"):
            shutil.copy(script, folder / script.name)
    return folder


def node_folder() -> Path:
    """A folder with the Node shops and their packages from the lock file."""
    source = ZOO / "node"
    folder = CACHE / f"zoo-node-{_digest(source, ('package.json', 'package-lock.json'))}"
    with _alone(folder):
        if not (folder / "node_modules" / ".package-lock.json").exists():
            _need("npm", "the Node shops", "install Node.js 20 or newer, which brings npm")
            for name in ("package.json", "package-lock.json", ".npmrc"):
                shutil.copy(source / name, folder / name)
            _run(["npm", "ci", "--ignore-scripts", "--no-fund", "--no-audit"], folder, {})
        for script in source.glob("*.js"):
            shutil.copy(script, folder / script.name)
    return folder


def go_folder() -> Path:
    """A folder with the Go shops, compiled from the committed sources."""
    source = ZOO / "go"
    folder = CACHE / f"zoo-go-{_digest(source, GO_SOURCES)}"
    with _alone(folder):
        for program in GO_PROGRAMS:
            if not (folder / program).exists():
                go_build("the Go shops", source, f"./{program}", folder / program)
    return folder


def java_folder() -> Path:
    """A folder with the Java shop and the agent, as `target/shop.jar` and `target/agent.jar`."""
    source = ZOO / "java"
    folder = CACHE / f"zoo-java-{_digest(source, JAVA_SOURCES)}"
    with _alone(folder):
        if not (folder / "ready").exists():
            for program, how in JAVA_WANTS.items():
                _need(program, "the Java shop", how)
            shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("target"))
            _run(["mvn", "-B", "-q", "package"], folder, {})
            (folder / "ready").touch()
    return folder
