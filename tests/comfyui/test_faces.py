"""ComfyUI's face model on our socket, loaded and run by core's own code, with a file whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from tests.comfyui.face_model_file import geometry_module, head, landmarker_module, write_face_model
from tests.comfyui.server import ComfyServer, Graph
from tests.comfyui.workflow import example, node_of, pocket_changes, pocket_version, to_api, with_switched_on
from tests.nodes.pack import module

pytestmark = pytest.mark.comfyui


@pytest.mark.parametrize("yaw_deg", [-60, -20, 0, 35])
def test_core_geometry_gives_our_yaw(yaw_deg: float) -> None:
    """Core's solver is fed a head turned so far, far from the camera; our angles of its matrix are that turn."""
    shown = head(yaw_deg, size=0.1, middle=(0.5, 0.5))
    side_px, mesh_px = 1000, 192
    found = {
        "landmarks_xy": shown.shares_N2 * side_px,
        "landmarks_3d": np.concatenate([shown.shares_N2, shown.depth_N[:, None]], 1) * mesh_px,
    }
    canonical = {
        "canonical_vertices": shown.canonical_N3.astype(np.float32),
        "procrustes_indices": np.arange(0, 478, 5),
        "procrustes_weights": np.ones(96),
    }
    pose_44 = geometry_module().transformation_matrix_from_detection(found, side_px, side_px, canonical)
    yaw, pitch, roll = module("nodes.mediapipe_faces").angles_of(pose_44)
    assert abs(yaw - yaw_deg) < 3 and abs(pitch) < 3 and abs(roll) < 3


def test_core_still_has_the_blendshapes_that_we_read() -> None:
    names = set(landmarker_module().BLENDSHAPE_NAMES)
    read = {f"{name}{side}" for name in ("eyeBlink", "mouthSmile") for side in ("Left", "Right")} | {"jawOpen"}
    assert read <= names


@pytest.fixture(scope="module")
def photos(server: ComfyServer) -> str:
    """A folder in input/ with two photos."""
    skimage = pytest.importorskip("skimage.data")
    folder = server.base_dir / "input/faces"
    folder.mkdir()
    Image.fromarray(skimage.astronaut()).save(folder / "a.png")
    Image.fromarray(skimage.astronaut()[:, ::-1]).resize((400, 400)).save(folder / "b.png")
    return folder.name


@pytest.mark.parametrize("variant", ["short", "full"])
def test_face_model_on_the_socket_tells_place_pose_and_expression(
    server: ComfyServer, photos: str, variant: str
) -> None:
    shown, model_name = head(40), f"sees_by_{variant}.safetensors"
    folder = server.base_dir / "models/detection"
    folder.mkdir(exist_ok=True)
    write_face_model(folder / model_name, shown, {"mouthSmileLeft", "mouthSmileRight"}, variant)
    ran = server.run(graph(server, photos, model_name))
    assert ran.status == "success", ran.error
    seen = ran.output("3")["zimage_lora_photos"]
    assert len(seen) == 2
    for photo in seen:
        (box,) = photo["faces"]
        assert np.abs(np.subtract(box, (*shown.shares_N2.min(0), *shown.shares_N2.max(0)))).max() < 0.01
        assert photo["labels"]["pose"] == "three-quarter"
        assert photo["labels"]["expression"] == "smiling"
        assert photo["labels"]["shot"] == "medium"


def test_full_guide_sees_faces_once_its_detector_is_switched_on(server: ComfyServer, photos: str) -> None:
    workflow = with_switched_on(example("02_full_guide"), "LoadMediaPipeFaceLandmarker")
    (loader,) = (node for node in workflow["nodes"] if node["type"] == "LoadMediaPipeFaceLandmarker")
    (asked_for,) = loader["properties"]["models"]
    folder = server.base_dir / "models" / asked_for["directory"]
    folder.mkdir(exist_ok=True)
    write_face_model(folder / asked_for["name"], head(0), set(), "short")
    object_info = server.get("/object_info")
    small = pocket_version(workflow, object_info, pocket_changes(photos, "faces"))
    graph = to_api(small, object_info)
    seen = [node_of(graph, "CleanAndResize"), node_of(graph, "DatasetReport")]
    ran = server.run(graph, only=seen)
    assert ran.status == "success", ran.error
    for node_id in seen:
        assert ran.output(node_id)["images"] and ran.output(node_id)["text"]


def graph(server: ComfyServer, photos: str, model_name: str) -> Graph:
    """Photos are judged with the model, and nothing is taken away from them."""
    required = server.get("/object_info/CleanAndResize")["CleanAndResize"]["input"]["required"]
    widgets = {name: spec[1]["default"] for name, spec in required.items() if len(spec) > 1 and "default" in spec[1]}
    off = {"duplicates": "off", "crop": "off", "text_marks": "off", "other_people": "off"}
    return {
        "1": {"class_type": "LoadPhotoFolder", "inputs": {"folder": photos, "recursive": False}},
        "2": {"class_type": "LoadMediaPipeFaceLandmarker", "inputs": {"model_name": model_name}},
        "3": {
            "class_type": "CleanAndResize",
            "inputs": {**widgets, **off, "photos": ["1", 0], "face_detection_model": ["2", 0]},
        },
    }
