"""TensorFlow and Keras, imported without chatter and set as the recipes need them."""

import gc
import logging
import os
import sys
import tempfile


def import_tensorflow():
    """Import TensorFlow and Keras without start-up chatter.

    A user's keras.json decides nothing here: not the backend, nor the type of numbers, nor where
    images have their channels. What C++ prints before its logging is set up goes straight to file
    descriptor 2, so that is set aside for the time of the import; if the import fails, it is shown.
    """
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # TensorFlow turns oneDNN on by itself only with AVX-512. Without, it multiplies through Eigen,
    # which takes half as long again, and whose last bits depend on the size of the population.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # Half a million objects live as long as the process; looking through them again and again for
    # garbage would take a second of a short run.
    gc.disable()
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as chatter:
        os.dup2(chatter.fileno(), 2)
        try:
            import keras
            import tensorflow

            tensorflow.config.list_physical_devices()  # the rest of the chatter
        except Exception:
            chatter.seek(0)
            os.write(stderr, chatter.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")
    gc.freeze()
    gc.set_threshold(50_000)
    gc.enable()
