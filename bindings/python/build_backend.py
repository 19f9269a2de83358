"""Makes wheels of the package `detent`: CMake builds the extension, and this puts it into an archive (PEP 517, 427).

`config_settings={"build": DIR}` takes what was built in DIR already, by a build of the project for this same Python.
"""

import base64
import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))


def version():
    with open(os.path.join(ROOT, "include", "detent", "version.hpp"), encoding="utf-8") as file:
        return ".".join(re.findall(r"#define DETENT_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", file.read()))


def built(into):
    """Builds the package for the Python that runs this, and answers its folder."""
    options = [f"-DDETENT_PYTHON={sys.executable}", "-DDETENT_PYTHON_PACKAGE=ON", "-DDETENT_ADAPTERS=ON",
               "-DDETENT_TESTS=OFF", "-DDETENT_CLI=OFF", "-DDETENT_INSTALL=OFF", "-DCMAKE_BUILD_TYPE=Release"]
    subprocess.run(["cmake", "-S", ROOT, "-B", into, *options], check=True)
    subprocess.run(["cmake", "--build", into, "--parallel", "--target", "detent_python"], check=True)
    return os.path.join(into, "python", "detent")


def metadata():
    return f"Metadata-Version: 2.1\nName: detent\nVersion: {version()}\nRequires-Python: >=3.10\nLicense: BSL-1.0\n"


def write_wheel(package, wheel_directory):
    tag = f"cp{sys.version_info[0]}{sys.version_info[1]}"
    platform = re.sub(r"[-.]", "_", sysconfig.get_platform())
    full_tag = f"{tag}-{tag}-{platform}"
    info = f"detent-{version()}.dist-info"
    files = {}
    for name in sorted(os.listdir(package)):
        if name.endswith((".py", ".pyi", "py.typed", sysconfig.get_config_var("EXT_SUFFIX"))):
            with open(os.path.join(package, name), "rb") as file:
                files[f"detent/{name}"] = file.read()
    files[f"{info}/METADATA"] = metadata().encode()
    files[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: detent\nRoot-Is-Purelib: false\nTag: {full_tag}\n".encode()
    record = []
    for name, content in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        record.append(f"{name},sha256={digest},{len(content)}\n")
    record.append(f"{info}/RECORD,,\n")
    files[f"{info}/RECORD"] = "".join(record).encode()
    wheel = f"detent-{version()}-{full_tag}.whl"
    with zipfile.ZipFile(os.path.join(wheel_directory, wheel), "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return wheel


def build_wheel(wheel_directory, config_settings=None, metadata_directory=None):
    ready = (config_settings or {}).get("build")
    if ready:
        return write_wheel(os.path.join(ready, "python", "detent"), wheel_directory)
    with tempfile.TemporaryDirectory() as into:
        return write_wheel(built(into), wheel_directory)


def build_sdist(sdist_directory, config_settings=None):
    raise NotImplementedError("the sources of the package are the project's: build a wheel from a checkout")
